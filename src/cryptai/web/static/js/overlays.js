// The chart's menu: any indicator or structure switched on, with its parameters, kept for the next visit.

import { HistogramSeries, LineSeries } from "../vendor/lightweight-charts.js";
import { price as priceText, fixed } from "./numbers.js";
import { structuresOf, things, said } from "./structures.js";
import { toast } from "./toast.js";

const KEPT = "cryptai.overlays";
const ROLES = ["--accent", "--line-a", "--line-b", "--line-c", "--muted"];

/**
 * @typedef {{name: string, type: string, default: any, low: number | null, high: number | null, choices: string[], meaning: string}} Parameter
 * @typedef {{name: string, kind: string, group: string, says: string, pane: string, guides: number[], parameters: Parameter[]}} Feature
 * @typedef {{feature: Feature, params: Record<string, any>, said: any, things: import("./structures.js").Thing[], series: any[]}} Overlay
 */

export class Overlays {
  /** @param {import("./candles.js").CandleChart} chart */
  constructor(chart) {
    this.chart = chart;
    /** @type {Feature[] | null} */ this.menu = null;
    /** @type {Map<string, Overlay>} */ this.on = new Map();
    /** @type {import("./structures.js").Thing[] | null} */ this.drawn = null;
    this.drawing = structuresOf(
      () => this.things(),
      () => chart.data.bars, () => chart.knownUpto(), (role, alpha) => chart.colour(role, alpha),
    );
    chart.candles.attachPrimitive(this.drawing);
    chart.overlays = this;
  }

  /** What was on at the last visit comes on again. */
  async restore() {
    const kept = /** @type {Record<string, any>} */ (JSON.parse(localStorage.getItem(KEPT) || "{}"));
    if (!Object.keys(kept).length) return;
    await this.list();
    for (const [name, params] of Object.entries(kept)) await this.set(name, true, params);
  }

  /** @returns {Promise<Feature[]>} */
  async list() {
    if (!this.menu) {
      const answer = await fetch("/features.json");
      if (!answer.ok) throw new Error("The list of indicators could not be had; try again.");
      this.menu = (await answer.json()).features;
    }
    return /** @type {Feature[]} */ (this.menu);
  }

  /** @param {string} name @param {boolean} on @param {Record<string, any>} [params] */
  async set(name, on, params = {}) {
    const feature = (await this.list()).find((one) => one.name === name);
    if (!feature) return;
    if (on) {
      const overlay = this.on.get(name) || { feature, params, said: null, things: [], series: [] };
      overlay.params = params;
      if (!(await this.read(overlay))) return;
      this.on.set(name, overlay);
    } else {
      this.takeDown();
      this.on.delete(name);
    }
    this.drawn = null;
    this.keep();
    this.chart.rebuild();
    document.dispatchEvent(new CustomEvent("cryptai:overlays"));
  }

  keep() {
    localStorage.setItem(KEPT, JSON.stringify(Object.fromEntries([...this.on].map(([name, one]) => [name, one.params]))));
  }

  /** All that is drawn, in the order it became known; made anew only when something was read. */
  things() {
    this.drawn ??= [...this.on.values()].flatMap((one) => one.things).sort((a, b) => a.born.known - b.born.known);
    return this.drawn;
  }

  /** What the server says of one over some bars. @param {Overlay} overlay @param {number} before @param {number} limit */
  async asked(overlay, before, limit) {
    const { symbol, timeframe, exchange } = this.chart.data;
    const query = new URLSearchParams({ timeframe, exchange, limit: String(Math.min(50000, limit)), before: String(before) });
    for (const [key, value] of Object.entries(overlay.params)) query.set(`param.${key}`, String(value));
    const answer = await fetch(`/markets/${symbol.replace("/", "-")}/features/${overlay.feature.name}.json?${query}`);
    const body = await answer.json();
    if (answer.ok) return body;
    toast(body.detail || `${overlay.feature.name} could not be read.`);
    return null;
  }

  /** Read one over all bars on hand. @param {Overlay} overlay */
  async read(overlay) {
    const { bars } = this.chart.data;
    const body = await this.asked(overlay, bars.at(-1)[0] + 1, bars.length);
    if (body) this.took(overlay, body);
    return Boolean(body);
  }

  /** @param {Overlay} overlay @param {any} body */
  took(overlay, body) {
    overlay.said = body;
    overlay.things = body.events ? things(body.events) : flags(body, this.chart.data.bars);
    this.drawn = null;
  }

  /** Bars were added before the others, or one has closed: only these are read. @param {number} before @param {number} limit */
  async renew(before, limit) {
    for (const overlay of this.on.values()) {
      const body = await this.asked(overlay, before, limit);
      if (body) this.took(overlay, joined(overlay.said, body));
    }
    this.chart.rebuild();
  }

  takeDown() {
    for (const overlay of this.on.values()) {
      for (const one of overlay.series) this.chart.chart.removeSeries(one);
      overlay.series = [];
    }
  }

  build() {
    for (const overlay of this.on.values()) {
      const outputs = (overlay.said.outputs || []).filter((/** @type {any} */ one) => one.draw === "line" || one.draw === "histogram" || one.draw === "dots");
      const pane = overlay.feature.pane === "price" ? 0 : this.chart.chart.panes().length;
      outputs.forEach((/** @type {any} */ output, /** @type {number} */ i) => overlay.series.push(this.series(overlay, output, i, pane)));
    }
    this.drawing.redraw();
  }

  /** @param {Overlay} overlay @param {any} output @param {number} i @param {number} pane */
  series(overlay, output, i, pane) {
    const format = output.unit === "percent" ? (/** @type {number} */ v) => fixed(v, 1) : (/** @type {number} */ v) => priceText(v);
    const color = this.chart.colour(ROLES[(i + [...this.on.keys()].indexOf(overlay.feature.name)) % ROLES.length]);
    const options = { color, lineWidth: 1, lastValueVisible: pane > 0, priceLineVisible: false, crosshairMarkerVisible: false, lineVisible: output.draw !== "dots", pointMarkersVisible: output.draw === "dots", pointMarkersRadius: 1.5, ...(pane > 0 ? { priceFormat: { type: "custom", minMove: 1e-10, formatter: format } } : {}) };
    const made = this.chart.chart.addSeries(output.draw === "histogram" ? HistogramSeries : LineSeries, options, pane);
    made.setData(this.points(overlay, output));
    if (i === 0) for (const level of overlay.feature.guides) made.createPriceLine({ price: level, color: this.chart.colour("--line-strong"), lineWidth: 1, lineStyle: 2, axisLabelVisible: false });
    return made;
  }

  /** Values by time: a bar that is still forming has none yet. @param {Overlay} overlay @param {any} output */
  points(overlay, output) {
    const values = new Map(overlay.said.ts.map((/** @type {number} */ ts, /** @type {number} */ i) => [ts, output.values[i]]));
    return this.chart.known().map(([ts]) => {
      const value = values.get(ts);
      return value === null || value === undefined ? { time: ts / 1000 } : { time: ts / 1000, value };
    });
  }

  /** What was known at a bar, for the read-out. @param {number} ts @returns {string[][]} */
  told(ts) {
    return [...this.on.values()].flatMap((overlay) => {
      if (overlay.said.events) {
        return overlay.said.events.filter((/** @type {any} */ one) => one.known === ts).slice(0, 3)
          .map((/** @type {any} */ one) => [said(one.kind), one.level === null ? "" : priceText(one.level), one.direction > 0 ? "up" : one.direction < 0 ? "down" : "flat"]);
      }
      // Of a bar that is still forming, what was known at the last close is what is known.
      const i = overlay.said.ts.findLastIndex((/** @type {number} */ one) => one <= ts);
      const numbers = overlay.said.outputs.map((/** @type {any} */ one) => (one.unit === "flag" && !one.values[i] ? null : one.values[i]));
      if (i < 0 || numbers.every((/** @type {any} */ one) => one === null)) return [];
      return [[said(overlay.feature.name), numbers.map((/** @type {any} */ n) => (n === null ? "–" : priceText(n))).join(" / "), ""]];
    });
  }
}

/**
 * Two readings of one feature, as one in order of time: of a bar that both tell, the newer reading counts.
 * @param {any} old @param {any} fresh
 */
export function joined(old, fresh) {
  if (fresh.events) {
    const key = (/** @type {any} */ one) => `${one.id} ${one.kind} ${one.known}`;
    const told = new Map([...old.events, ...fresh.events].map((one) => [key(one), one]));
    return { ...fresh, events: [...told.values()].sort((a, b) => a.known - b.known || a.at - b.at) };
  }
  const [first, last] = [fresh.ts[0] ?? Infinity, fresh.ts.at(-1) ?? -Infinity];
  const keep = (/** @type {any[]} */ values, /** @type {(ts: number) => boolean} */ wanted) => values.filter((_, i) => wanted(old.ts[i]));
  const merge = (/** @type {any[]} */ before, /** @type {any[]} */ now) => [...keep(before, (ts) => ts < first), ...now, ...keep(before, (ts) => ts > last)];
  return { ...fresh, ts: merge(old.ts, fresh.ts), outputs: fresh.outputs.map((/** @type {any} */ one, /** @type {number} */ i) => ({ ...one, values: merge(old.outputs[i].values, one.values) })) };
}

/** Flags of an indicator (a candlestick pattern) are moments like any other. @param {any} body @param {number[][]} bars @returns {import("./structures.js").Thing[]} */
function flags(body, bars) {
  const output = body.outputs.find((/** @type {any} */ one) => one.draw === "markers");
  if (!output) return [];
  const at = new Map(bars.map((bar) => [bar[0], bar]));
  return output.values.flatMap((/** @type {number | null} */ value, /** @type {number} */ i) => {
    const ts = body.ts[i];
    const bar = at.get(ts);
    if (!value || !bar) return [];
    const direction = Math.sign(value);
    const born = { id: ts, kind: output.name, role: "point", draw: "label", direction, at: ts, known: ts, top: bar[2], bottom: bar[3], level: direction > 0 ? bar[3] : bar[2] };
    return [{ id: ts, born, lives: [], end: null }];
  });
}
