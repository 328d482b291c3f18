// The result page: waiting for the end, equity and drawdown, trades on the candle chart.

import { AreaSeries, LineSeries, createChart } from "../vendor/lightweight-charts.js";
import { CandleChart } from "./candles.js";
import { chartOptions, role } from "./palette.js";
import { fixed, percent } from "./numbers.js";

if (document.querySelector("[data-running]")) setTimeout(() => location.reload(), 1200);

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
  const { equity, drawdown } = await answer.json();
  stage.hidden = false;
  const chart = createChart(stage, chartOptions());
  const line = chart.addSeries(LineSeries, { lineWidth: 1, priceLineVisible: false, priceFormat: { type: "custom", minMove: 0.01, formatter: (/** @type {number} */ v) => fixed(v, Math.abs(v) >= 1e5 ? 0 : 2) } }, 0);
  const falls = chart.addSeries(AreaSeries, { lineWidth: 1, priceLineVisible: false, lastValueVisible: false, invertFilledArea: true, priceFormat: { type: "custom", minMove: 0.0001, formatter: (/** @type {number} */ v) => percent(v, 1) } }, 1);
  const points = (/** @type {number[][]} */ rows) => rows.map(([ms, value]) => ({ time: ms / 1000, value }));
  line.setData(points(equity));
  falls.setData(points(drawdown));
  const capital = Number(box.dataset.capital);
  const level = line.createPriceLine({ price: capital, lineWidth: 1, lineStyle: 2, axisLabelVisible: false, color: role("--muted") });
  const look = () => {
    chart.applyOptions(chartOptions());
    line.applyOptions({ color: role("--accent") });
    falls.applyOptions({ lineColor: role("--down"), topColor: role("--down", 0.28), bottomColor: role("--down", 0.28) });
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
