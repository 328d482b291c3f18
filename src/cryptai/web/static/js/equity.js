// Equity above its drawdown on one axis of time, with what holding would have given, and the figures under the pointer.

import { BaselineSeries, LineSeries, createChart } from "../vendor/lightweight-charts.js";
import { chartOptions, role } from "./palette.js";
import { fixed, number, percent, when } from "./numbers.js";

/** @param {HTMLElement} box with `data-src`, `data-capital` and, where the data leave the end open, `data-worst` and `data-best` */
export async function drawEquity(box) {
  const answer = await fetch(box.dataset.src || "");
  const stage = /** @type {HTMLElement} */ (box.querySelector(".live"));
  if (!answer.ok) return;
  /** @type {{points: (number | null)[][]}} */ const { points } = await answer.json();
  stage.hidden = false;
  const capital = Number(box.dataset.capital);
  const chart = createChart(stage, chartOptions());
  const money = { type: "custom", minMove: 0.01, formatter: (/** @type {number} */ v) => fixed(v, capital >= 1000 ? 0 : 2) };
  const share = { type: "custom", minMove: 0.0001, formatter: (/** @type {number} */ v) => percent(v, 1) };
  const held = chart.addSeries(LineSeries, { lineWidth: 1, priceLineVisible: false, lastValueVisible: false, crosshairMarkerVisible: false, priceFormat: money }, 0);
  const line = chart.addSeries(LineSeries, { lineWidth: 2, priceLineVisible: false, priceFormat: money }, 0);
  const falls = chart.addSeries(BaselineSeries, { baseValue: { type: "price", price: 0 }, lineWidth: 1, priceLineVisible: false, lastValueVisible: false, priceFormat: share }, 1);
  const column = (/** @type {number} */ i) => points.filter((row) => row[i] !== null).map((row) => ({ time: Number(row[0]) / 1000, value: row[i] }));
  held.setData(column(3));
  line.setData(column(1));
  falls.setData(column(2));
  falls.priceScale().applyOptions({ scaleMargins: { top: 0.04, bottom: 0.1 } });
  const start = line.createPriceLine({ price: capital, lineWidth: 1, lineStyle: 2, axisLabelVisible: false, color: role("--muted") });
  // What the data cannot decide: the two ends that the account may have had.
  const ends = [["worst", "worst order"], ["best", "best order"]].map(([name, title]) => {
    const value = number(box.dataset[name]);
    return value === null ? null : line.createPriceLine({ price: value, lineWidth: 1, lineStyle: 3, axisLabelVisible: true, title, color: role("--warn") });
  });
  const look = () => {
    chart.applyOptions(chartOptions());
    line.applyOptions({ color: role("--accent") });
    held.applyOptions({ color: role("--line-c") });
    falls.applyOptions({ bottomLineColor: role("--down"), topLineColor: role("--down"), bottomFillColor1: role("--down", 0.12), bottomFillColor2: role("--down", 0.34) });
    start.applyOptions({ color: role("--muted") });
    for (const end of ends) end?.applyOptions({ color: role("--warn") });
  };
  look();
  document.addEventListener("cryptai:look", look);
  chart.panes().forEach((pane, i) => pane.setStretchFactor(i === 0 ? 3 : 1));
  chart.timeScale().fitContent();
  const toggle = (/** @type {string} */ name, /** @type {(on: boolean) => void} */ change) => {
    const check = /** @type {HTMLInputElement | null} */ (document.querySelector(`[data-equity=${name}]`));
    check?.addEventListener("change", () => change(check.checked));
    if (check) change(check.checked);
  };
  toggle("held", (on) => held.applyOptions({ visible: on }));
  toggle("log", (on) => line.priceScale().applyOptions({ mode: Number(on) }));
  box.querySelector(".picture")?.classList.add("gone");
  const readout = document.getElementById("equity-readout");
  const rest = readout?.innerHTML ?? "";
  const at = new Map(points.map((row) => [Number(row[0]) / 1000, row]));
  chart.subscribeCrosshairMove((/** @type {any} */ move) => {
    if (!readout) return;
    const row = move.time === undefined ? undefined : at.get(move.time);
    if (!row) { readout.innerHTML = rest; return; }
    const [ts, equity, fall, kept] = row;
    const told = [["Equity", fixed(equity, 2)], ["of the start", percent(Number(equity) / capital - 1, 2, true)], ["drawdown", percent(fall, 2)]];
    if (kept !== null) told.push(["held", percent(kept / capital - 1, 2, true)]);
    readout.replaceChildren(span(when(Number(ts))), ...told.map(([name, text]) => span(name, text)));
  });
}

/** @param {string} name @param {string} [value] */
function span(name, value) {
  const box = document.createElement("span");
  box.append(name);
  if (value !== undefined) {
    const strong = document.createElement("b");
    strong.textContent = value;
    box.append(" ", strong);
  }
  return box;
}
