// A candle chart with its panes: bars and indicators come from the server, older ones as the eye moves left.

import { CandlestickSeries, HistogramSeries, LineSeries, createChart } from "../vendor/lightweight-charts.js";
import { chartOptions, role } from "./palette.js";
import { bandsOf, tradesOf } from "./drawings.js";
import { fixed, price as priceText } from "./numbers.js";

/**
 * @typedef {{symbol: string, timeframe: string, exchange: string, decimals: number, bars: number[][], indicators: Record<string, (number|null)[]>, older: boolean, signals?: import("./drawings.js").Band[]}} Data
 */

const LINES = {
  ema_12: { role: "--line-a", pane: 0, of: "ema" }, ema_26: { role: "--line-b", pane: 0, of: "ema" },
  bollinger_upper: { role: "--line-c", pane: 0, of: "bollinger" }, bollinger_lower: { role: "--line-c", pane: 0, of: "bollinger" },
  rsi: { role: "--line-b", pane: 1, of: "rsi" },
  macd: { role: "--accent", pane: 2, of: "macd" }, macd_signal: { role: "--line-a", pane: 2, of: "macd" },
};

export class CandleChart {
  /** @param {HTMLElement} box @param {Data} data @param {{panes?: boolean}} [options] */
  constructor(box, data, { panes = true } = {}) {
    this.data = data;
    this.panes = panes;
    this.shown = new Set(panes ? ["ema", "bollinger", "volume", "rsi", "macd", "signals"] : ["volume"]);
    /** @type {any[][]} */ this.trades = [];
    /** @type {Record<string, any>} */ this.lines = {};
    this.loading = false;
    /** The bar a replay stands at; null shows all. @type {number | null} */ this.upto = null;
    /** @type {import("./overlays.js").Overlays | null} */ this.overlays = null;
    this.chart = createChart(box, chartOptions());
    this.candles = this.chart.addSeries(CandlestickSeries, {}, 0);
    this.volume = this.chart.addSeries(HistogramSeries, { priceScaleId: "volume", priceFormat: { type: "volume" }, lastValueVisible: false, priceLineVisible: false }, 0);
    this.chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.84, bottom: 0 } });
    this.bands = bandsOf(() => (data.signals || []).filter((band) => band.decided_at_ms <= this.knownAt()), () => this.data.bars, (r, a) => this.colour(r, a), () => this.shown.has("signals"));
    this.marks = tradesOf(() => this.trades.filter((trade) => trade[3] <= this.knownUpto()), (r, a) => this.colour(r, a));
    this.candles.attachPrimitive(this.bands);
    this.candles.attachPrimitive(this.marks);
    this.look();
    this.draw();
    this.chart.timeScale().setVisibleLogicalRange({ from: data.bars.length - this.fitting(box), to: data.bars.length + 6 });
    this.chart.timeScale().subscribeVisibleLogicalRangeChange((/** @type {any} */ range) => { if (range && range.from < 60) this.older(); });
    document.addEventListener("cryptai:look", () => this.look());
  }

  /** How many bars fit at a legible width. @param {HTMLElement} box */
  fitting(box) { return Math.max(60, Math.min(180, Math.floor(box.clientWidth / 8))); }

  /** Colours are asked of the page once a theme, not once a frame. @param {string} name @param {number} [alpha] */
  colour(name, alpha = 1) {
    const key = `${name} ${alpha}`;
    this.colours ??= new Map();
    if (!this.colours.has(key)) this.colours.set(key, role(name, alpha));
    return this.colours.get(key);
  }

  look() {
    this.colours = new Map();
    this.chart.applyOptions(chartOptions());
    const [up, down] = [this.colour("--up"), this.colour("--down")];
    const minMove = 10 ** -this.data.decimals;
    this.candles.applyOptions({
      upColor: up, downColor: down, borderUpColor: up, borderDownColor: down, wickUpColor: up, wickDownColor: down,
      priceFormat: { type: "custom", minMove, formatter: (/** @type {number} */ v) => priceText(v, this.data.decimals) },
    });
    for (const [name, line] of Object.entries(this.lines)) if (LINES[name]) line.applyOptions({ color: this.colour(LINES[name].role) });
    this.draw();
  }

  /** The bars one may know of: all, or in a replay those up to its bar. */
  known() { return this.upto === null ? this.data.bars : this.data.bars.slice(0, this.upto + 1); }

  /** The open of the newest of these (ms UTC). */
  knownUpto() { return this.upto === null ? Infinity : this.data.bars[this.upto][0]; }

  /** The instant of a replay: the close of its bar, which is the open of the next. */
  knownAt() { return this.upto === null ? Infinity : this.data.bars[this.upto + 1]?.[0] ?? Infinity; }

  /** @param {number | null} bar */
  replayTo(bar) {
    const scale = this.chart.timeScale();
    const range = scale.getVisibleLogicalRange();
    this.upto = bar;
    this.rebuild();
    // The library keeps the last candle where it was; here the eye's place is kept instead.
    if (range) scale.setVisibleLogicalRange(range);
  }

  /** Series are made of what is known now; panes are numbered by place, so overlays stand after the others. */
  rebuild() {
    this.overlays?.takeDown();
    this.draw();
    this.overlays?.build();
    this.layout();
    this.bands.redraw();
    this.marks.redraw();
  }

  draw() {
    const { indicators } = this.data;
    const bars = this.known();
    // The axis keeps its future, so that a replay moves nothing but the candles.
    const future = this.data.bars.slice(bars.length).map(([ts]) => ({ time: ts / 1000 }));
    this.candles.setData([...bars.map(([ts, open, high, low, close]) => ({ time: ts / 1000, open, high, low, close })), ...future]);
    this.volume.setData(this.shown.has("volume") ? bars.map((bar) => this.volumeOf(bar)) : []);
    for (const name of Object.keys(LINES)) this.line(name, indicators[name] || []);
    this.histogram(indicators.macd_histogram || []);
    this.layout();
  }

  /** @param {number[]} bar */
  volumeOf([ts, open, , , close, volume]) {
    return { time: ts / 1000, value: volume, color: this.colour(close >= open ? "--up" : "--down", 0.28) };
  }

  /** @param {string} name @param {(number|null)[]} values */
  line(name, values) {
    const { pane, of } = LINES[name];
    const wanted = this.shown.has(of) && this.panes;
    if (!wanted && this.lines[name]) { this.chart.removeSeries(this.lines[name]); delete this.lines[name]; }
    if (!wanted) return;
    this.lines[name] ??= this.chart.addSeries(LineSeries, {
      color: this.colour(LINES[name].role), lineWidth: 1, lastValueVisible: pane > 0, priceLineVisible: false, crosshairMarkerVisible: false,
      ...(pane > 0 ? { priceFormat: { type: "custom", minMove: 1e-10, formatter: (/** @type {number} */ v) => (of === "rsi" ? fixed(v, 1) : priceText(v)) } } : {}),
    }, this.paneOf(pane));
    this.lines[name].setData(this.points(values));
  }

  /** @param {(number|null)[]} values */
  histogram(values) {
    const wanted = this.shown.has("macd") && this.panes;
    if (!wanted && this.lines.bars) { this.chart.removeSeries(this.lines.bars); delete this.lines.bars; }
    if (!wanted) return;
    this.lines.bars ??= this.chart.addSeries(HistogramSeries, { lastValueVisible: false, priceLineVisible: false, priceFormat: { type: "custom", minMove: 1e-10, formatter: (/** @type {number} */ v) => priceText(v) } }, this.paneOf(2));
    this.lines.bars.setData(this.points(values).map((point) => "value" in point ? { ...point, color: this.colour(point.value >= 0 ? "--up" : "--down", 0.45) } : point));
  }

  /** RSI and MACD stand in panes of their own; the second moves up when the first is off. @param {number} pane */
  paneOf(pane) { return pane === 2 && !this.shown.has("rsi") ? 1 : pane; }

  /** @param {(number|null)[]} values */
  points(values) {
    return this.known().map(([ts], i) => (values[i] === null || values[i] === undefined ? { time: ts / 1000 } : { time: ts / 1000, value: values[i] }));
  }

  layout() {
    const panes = this.chart.panes();
    panes.forEach((pane, i) => pane.setStretchFactor(i === 0 ? 5 : 1));
  }

  /** @param {string} name @param {boolean} on */
  show(name, on) {
    this.overlays?.takeDown();
    if (on) this.shown.add(name); else this.shown.delete(name);
    if (name === "rsi" || name === "macd") {
      // Panes are numbered by place: both are taken down and built anew in order.
      for (const line of ["rsi", "macd", "macd_signal", "bars"]) if (this.lines[line]) { this.chart.removeSeries(this.lines[line]); delete this.lines[line]; }
    }
    this.rebuild();
  }

  /** @param {any[][]} trades */
  showTrades(trades) { this.trades = trades; this.marks.redraw(); }

  /** Bars before an instant, from the server. @param {number} before @param {number} limit @returns {Promise<Data | null>} */
  async fetched(before, limit) {
    const { symbol, timeframe, exchange } = this.data;
    const query = new URLSearchParams({ timeframe, exchange, before: String(before), limit: String(limit) });
    const answer = await fetch(`/markets/${symbol.replace("/", "-")}/candles.json?${query}`);
    return answer.ok ? answer.json() : null;
  }

  async older() {
    if (this.loading || !this.data.older) return;
    this.loading = true;
    try {
      // The more is on hand, the more is asked for: far back is reached in a few steps.
      const older = await this.fetched(this.data.bars[0][0], Math.min(5000, Math.max(1000, this.data.bars.length)));
      if (older?.bars.length) this.prepend(older);
    } finally {
      this.loading = false;
    }
  }

  /** Show the bars around an instant; those in hand if it is among them, else fresh ones. @param {number} ms */
  async goto(ms) {
    let at = this.data.bars.findIndex((bar) => bar[0] >= ms);
    if (at <= 0 && !this.loading) {
      this.loading = true;
      const step = this.data.bars[1]?.[0] - this.data.bars[0]?.[0];
      const around = await this.fetched(ms + 400 * step, 1000).finally(() => { this.loading = false; });
      if (!around) return;
      this.data = { ...around, exchange: this.data.exchange, signals: this.data.signals };
      this.draw();
      at = this.data.bars.findIndex((bar) => bar[0] >= ms);
    }
    this.chart.timeScale().setVisibleLogicalRange({ from: at - 60, to: at + 60 });
  }

  /** @param {Data} older */
  prepend(older) {
    const { bars, indicators } = this.data;
    this.data.bars = [...older.bars, ...bars];
    for (const name of Object.keys(indicators)) indicators[name] = [...(older.indicators[name] || []), ...indicators[name]];
    this.data.older = older.older && older.bars.length > 0;
    if (this.upto !== null) this.upto += older.bars.length;
    this.rebuild();
    document.dispatchEvent(new CustomEvent("cryptai:older"));
    this.overlays?.renew(older.bars.at(-1)[0] + 1, older.bars.length);
  }

  /** A live bar: it moves the candle only; indicators are known when it has closed. @param {number[]} bar */
  update(bar) {
    const last = this.data.bars.at(-1);
    if (last && bar[0] < last[0]) return;
    if (last && bar[0] === last[0]) this.data.bars[this.data.bars.length - 1] = bar;
    else this.data.bars.push(bar);
    if (this.upto !== null) return; // a replay is of the past
    const [ts, open, high, low, close] = bar;
    this.candles.update({ time: ts / 1000, open, high, low, close });
    if (this.shown.has("volume")) this.volume.update(this.volumeOf(bar));
  }
}
