// The result page: equity and drawdown, trades on the candle chart.

import { BaselineSeries, LineSeries, createChart } from "../vendor/lightweight-charts.js";
import { CandleChart } from "./candles.js";
import { chartOptions, role } from "./palette.js";
import { fixed, percent } from "./numbers.js";

const equity = document.getElementById("equity");
if (equity) drawEquity(equity);
const place = document.getElementById("trade-chart");
const text = document.getElementById("run-data")?.textContent;
if (place && text) drawTrades(place, JSON.parse(text));

/** @param {HTMLElement} box */
async function drawEquity(box) {
  const answer = await fetch(box.dataset.src || "");
  const stage = /** @type {HTMLElement} */ (box.querySelector(".live"));
  if (!answer.ok) return;
  /** @type {{points: number[][]}} */ const { points } = await answer.json();
  stage.hidden = false;
  const capital = Number(box.dataset.capital);
  const chart = createChart(stage, chartOptions());
  const line = chart.addSeries(LineSeries, { lineWidth: 1, priceLineVisible: false, priceFormat: { type: "custom", minMove: 0.01, formatter: (/** @type {number} */ v) => fixed(v, capital >= 1000 ? 0 : 2) } }, 0);
  const falls = chart.addSeries(BaselineSeries, { baseValue: { type: "price", price: 0 }, lineWidth: 1, priceLineVisible: false, lastValueVisible: false, priceFormat: { type: "custom", minMove: 0.0001, formatter: (/** @type {number} */ v) => percent(v, 1) } }, 1);
  const column = (/** @type {number} */ i) => points.map((row) => ({ time: row[0] / 1000, value: row[i] }));
  line.setData(column(1));
  falls.setData(column(2));
  falls.priceScale().applyOptions({ scaleMargins: { top: 0.04, bottom: 0.1 } });
  const level = line.createPriceLine({ price: capital, lineWidth: 1, lineStyle: 2, axisLabelVisible: false, color: role("--muted") });
  const look = () => {
    chart.applyOptions(chartOptions());
    line.applyOptions({ color: role("--accent") });
    falls.applyOptions({ bottomLineColor: role("--down"), topLineColor: role("--down"), bottomFillColor1: role("--down", 0.12), bottomFillColor2: role("--down", 0.34) });
    level.applyOptions({ color: role("--muted") });
  };
  look();
  document.addEventListener("cryptai:look", look);
  chart.panes().forEach((pane, i) => pane.setStretchFactor(i === 0 ? 3 : 1));
  chart.timeScale().fitContent();
  box.querySelector(".picture")?.classList.add("gone");
}

/** @param {HTMLElement} box @param {import("./candles.js").Data} data */
async function drawTrades(box, data) {
  const stage = /** @type {HTMLElement} */ (box.querySelector(".live"));
  const chart = new CandleChart(stage, data, { panes: false });
  const answer = await fetch(box.dataset.src || "");
  if (answer.ok) chart.showTrades((await answer.json()).trades);
  document.addEventListener("click", (event) => {
    const link = /** @type {Element} */ (event.target).closest("[data-goto]");
    if (!link) return;
    chart.goto(Date.parse(link.getAttribute("data-goto") || ""));
  });
}
