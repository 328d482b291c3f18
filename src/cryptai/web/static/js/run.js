// The result page: equity and drawdown, trades on the candle chart with their reasons, and the table of them all.

import { CandleChart } from "./candles.js";
import { drawEquity } from "./equity.js";
import { fixed, percent, price, when } from "./numbers.js";
import { tradesTable } from "./trades.js";

const equity = document.getElementById("equity");
if (equity) drawEquity(equity);
const table = document.getElementById("trades");
const place = document.getElementById("trade-chart");
const text = document.getElementById("run-data")?.textContent;
if (table?.dataset.src) showTrades(table.dataset.src);

/** @param {string} src */
async function showTrades(src) {
  const drawn = place && text ? new CandleChart(/** @type {HTMLElement} */ (place.querySelector(".live")), JSON.parse(text), { panes: false }) : null;
  const answer = await fetch(src);
  if (!answer.ok) return;
  /** @type {any[][]} */ const trades = (await answer.json()).trades;
  if (drawn) onTheChart(drawn, trades);
  if (table && trades.length) tradesTable(table, trades);
}

/** @param {CandleChart} chart @param {any[][]} trades */
function onTheChart(chart, trades) {
  const own = trades.filter((trade) => trade[12] === chart.data.symbol);
  chart.showTrades(own);
  const readout = document.getElementById("trade-readout");
  const rest = readout?.textContent ?? "";
  chart.chart.subscribeCrosshairMove((/** @type {any} */ move) => {
    if (readout) readout.textContent = move.time === undefined ? rest : said(own.findLast((t) => t[1] <= move.time * 1000 && move.time * 1000 <= t[3])) || rest;
  });
  document.addEventListener("click", (event) => {
    const link = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest("[data-goto]"));
    if (!link) return;
    const symbol = link.dataset.symbol;
    if (symbol && symbol !== chart.data.symbol) {
      event.preventDefault();
      location.assign(`?${new URLSearchParams({ symbol, at: link.dataset.goto || "" })}#chart-title`);
    } else chart.goto(Number(link.dataset.goto));
  });
  const at = Number(new URLSearchParams(location.search).get("at"));
  if (at) chart.goto(at);
}

/** A trade in one line. @param {any[] | undefined} trade */
function said(trade) {
  if (!trade) return "";
  const [side, entered, paid, left, got, pnl, reason, gain, , , , why] = trade;
  return `${side} from ${when(entered)} at ${price(paid)}: ${why}. Left ${when(left)} at ${price(got)} by ${String(reason).replaceAll("_", " ")}: ${fixed(pnl, 2, true)}, ${percent(gain, 2, true)} of its cost.`;
}
