// The Market page: the chart in place of the picture, its legend, read-out, trades and the live last candle.

import { CandleChart } from "./candles.js";
import { menu } from "./menu.js";
import { Overlays } from "./overlays.js";
import { replay } from "./replay.js";
import { followCandles } from "./live.js";
import { amount, fixed, percent, price, when } from "./numbers.js";
import { toast } from "./toast.js";

const text = document.getElementById("market-data")?.textContent;
const box = document.querySelector("#chart .live");
if (text && box instanceof HTMLElement) start(JSON.parse(text), box);

/** @param {import("./candles.js").Data} data @param {HTMLElement} box */
function start(data, box) {
  box.hidden = false;
  const chart = new CandleChart(box, data);
  document.querySelector("#chart .picture")?.classList.add("gone");
  const overlays = new Overlays(chart);
  legend(chart);
  readout(chart, data, overlays);
  menu(overlays);
  replay(chart);
  overlays.restore();
  trades(chart, data);
  followCandles(data.symbol, data.timeframe);
  document.addEventListener("cryptai:candle", (event) => {
    const { symbol, timeframe, bar, closed } = /** @type {CustomEvent} */ (event).detail;
    if (symbol !== data.symbol || timeframe !== data.timeframe) return;
    chart.update(bar);
    if (closed) renew(chart, data);
  });
}

/** The last closed bars with their indicators, once one has closed. @param {CandleChart} chart @param {import("./candles.js").Data} data */
async function renew(chart, data) {
  const query = new URLSearchParams({ timeframe: data.timeframe, exchange: data.exchange, limit: "50" });
  const answer = await fetch(`/markets/${data.symbol.replace("/", "-")}/candles.json?${query}`);
  if (!answer.ok) return;
  const fresh = await answer.json();
  const from = data.bars.findIndex((bar) => bar[0] >= fresh.bars[0][0]);
  if (from < 0) return;
  const forming = data.bars.filter((bar) => bar[0] > fresh.bars.at(-1)[0]);
  data.bars.splice(from, Infinity, ...fresh.bars, ...forming);
  for (const name of Object.keys(data.indicators)) data.indicators[name].splice(from, Infinity, ...(fresh.indicators[name] || []));
  chart.draw();
  chart.overlays?.renew(fresh.bars.at(-1)[0] + 1, fresh.bars.length);
}

/** @param {CandleChart} chart */
function legend(chart) {
  const small = matchMedia("(max-width: 719px)").matches;
  for (const button of document.querySelectorAll("#legend button[data-series]")) {
    const name = button.getAttribute("data-series") || "";
    const set = (/** @type {boolean} */ on) => { button.setAttribute("aria-pressed", String(on)); chart.show(name, on); };
    button.addEventListener("click", () => set(button.getAttribute("aria-pressed") !== "true"));
    // A telephone's height holds the candles and one pane.
    if (small && name === "macd") set(false);
  }
}

/** @param {CandleChart} chart @param {import("./candles.js").Data} data @param {Overlays} overlays */
function readout(chart, data, overlays) {
  const place = document.getElementById("readout");
  if (!place) return;
  const tell = (/** @type {number} */ i) => {
    const bar = data.bars[i];
    if (!bar) return;
    const [ts, open, high, low, close, volume] = bar;
    // Of a bar that is still forming, what was known at the last close is what is known.
    const known = (/** @type {string} */ name) => data.indicators[name]?.[Math.min(i, data.indicators[name].length - 1)] ?? null;
    const change = close / open - 1;
    const parts = [
      ["", when(ts)], ["O", price(open, data.decimals)], ["H", price(high, data.decimals)], ["L", price(low, data.decimals)],
      ["C", price(close, data.decimals)], ["", percent(change, 2, true), change < 0 ? "down" : change > 0 ? "up" : "flat"], ["Vol", amount(volume)],
    ];
    if (chart.shown.has("ema")) parts.push(["EMA", `${price(known("ema_12"), data.decimals)} / ${price(known("ema_26"), data.decimals)}`]);
    if (chart.shown.has("rsi")) parts.push(["RSI", fixed(known("rsi"), 1)]);
    if (chart.shown.has("macd")) parts.push(["MACD", price(known("macd"))]);
    parts.push(...overlays.told(ts));
    place.replaceChildren(...parts.map(([name, value, tone]) => {
      const span = document.createElement("span");
      if (name) span.append(`${name} `);
      const b = document.createElement("b");
      b.textContent = value;
      if (tone) b.className = tone;
      span.append(b);
      return span;
    }));
  };
  const last = () => chart.upto ?? data.bars.length - 1;
  chart.chart.subscribeCrosshairMove((/** @type {any} */ move) => {
    const logical = move.logical;
    tell(logical === undefined || logical === null ? last() : Math.max(0, Math.min(last(), logical)));
  });
  for (const happened of ["cryptai:candle", "cryptai:replay", "cryptai:overlays"]) document.addEventListener(happened, () => tell(last()));
  tell(last());
}

/** @param {CandleChart} chart @param {import("./candles.js").Data} data */
function trades(chart, data) {
  const select = /** @type {HTMLSelectElement | null} */ (document.getElementById("trades-of"));
  select?.addEventListener("change", async () => {
    if (!select.value) { chart.showTrades([]); return; }
    select.disabled = true;
    const query = new URLSearchParams({ strategy: select.value, timeframe: data.timeframe, exchange: data.exchange });
    try {
      const answer = await fetch(`/markets/${data.symbol.replace("/", "-")}/trades.json?${query}`);
      const body = await answer.json();
      if (!answer.ok) throw new Error(body.detail);
      chart.showTrades(body.trades);
      const first = data.bars[0][0];
      const inside = body.trades.filter((/** @type {any[]} */ t) => t[1] >= first).length;
      toast(`${body.trades.length} trades of ${select.value}, ${inside} of them in the bars shown; older ones appear as you scroll.`);
    } catch (error) {
      toast(`The trades could not be had: ${error instanceof Error ? error.message : error}`);
      select.value = "";
    } finally {
      select.disabled = false;
    }
  });
}
