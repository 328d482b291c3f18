// Structures over the candles: zones as quiet boxes, levels as lines, single moments as small labels.

import { Drawing } from "./drawings.js";

/**
 * One event as the server tells it: `at` is where it is drawn, `known` the bar at whose close one knew.
 * @typedef {{id: number, kind: string, role: string, draw: string, direction: number, at: number, known: number, top: number | null, bottom: number | null, level: number | null}} Event
 * One thing to draw: its birth, and what became of it.
 * `before` is the leg's other end, of a zigzag.
 * @typedef {{id: number, born: Event, lives: Event[], end: Event | null, before?: Event}} Thing
 */

// More than these in view is a carpet, not a drawing; the newest are kept.
const MOST = 220;
const LABELLED = 4;
const ABBREVIATED = /** @type {Record<string, string>} */ ({
  bos: "BOS", choch: "CHoCH", internal_bos: "iBOS", internal_choch: "iCHoCH", swing_high: "SH", swing_low: "SL",
  fractal_high: "FH", fractal_low: "FL", liquidity_sweep: "sweep", equal_highs: "EQH", equal_lows: "EQL",
  breakout_retested: "retest", breakout_failed: "failed", previous_high: "PH", previous_low: "PL",
  regular_bullish: "bullish div", regular_bearish: "bearish div", hidden_bullish: "hidden bullish div", hidden_bearish: "hidden bearish div",
  retracement_38: "38.2", retracement_50: "50", retracement_62: "61.8", retracement_79: "78.6",
});

// What turned into something new is drawn from where it turned; before that it was the old thing.
const FROM_KNOWN = new Set(["breaker_block", "inverse_fair_value_gap"]);

/** A kind as a label says it. @param {string} kind */
export const said = (kind) => ABBREVIATED[kind] || kind.replaceAll("_", " ");

/** Events in the order they became known, as things with a life. @param {Event[]} events @returns {Thing[]} */
export function things(events) {
  /** @type {Map<number, Thing>} */ const living = new Map();
  /** @type {Thing[]} */ const all = [];
  /** @type {Event | undefined} */ let turn;
  for (const event of events) {
    const thing = living.get(event.id);
    if (event.role === "born" || event.role === "point" || !thing) {
      /** @type {Thing} */ const made = { id: event.id, born: event, lives: [], end: null };
      if (event.kind.startsWith("zigzag")) { made.before = turn; turn = event; }
      if (event.role === "born") living.set(event.id, made);
      all.push(made);
    } else if (event.role === "end") thing.end = event;
    else thing.lives.push(event);
  }
  return all;
}

/**
 * @param {() => Thing[]} all @param {() => number[][]} bars oldest first
 * @param {() => number} upto the open of the newest bar one may know of
 * @param {(role: string, alpha?: number) => string} colour
 */
export function structuresOf(all, bars, upto, colour) {
  return new Drawing((context, at) => {
    const now = upto();
    const first = bars()[0]?.[0] ?? 0;
    // What began before the first bar on hand begins at the left edge.
    const x = (/** @type {number} */ ms) => (ms < first ? -40 : at.x(ms));
    const shown = [];
    const list = all();
    const seen = at.visible();
    const [left, right] = seen ? [seen.from * 1000, seen.to * 1000] : [-Infinity, Infinity];
    for (let i = list.length - 1; i >= 0 && shown.length < MOST; i -= 1) {
      const thing = list[i];
      if (thing.born.known > now) continue;
      // A session's range is told when it is over: its end is what is drawn.
      const over = thing.born.draw === "none" ? thing.end : null;
      if (thing.born.draw === "none" && !(over && over.draw !== "none" && over.known <= now)) continue;
      const ended = thing.end && thing.end.known <= now ? thing.end : null;
      // Times are compared before places are asked for: most of a long history is out of view.
      if (thing.born.at > right || (ended ?? (thing.born.role === "born" ? null : thing.born))?.known < left) continue;
      const from = x(FROM_KNOWN.has(thing.born.kind) ? thing.born.known : thing.before ? Math.min(thing.before.at, thing.born.at) : thing.born.at);
      const to = ended ? x(ended.known) : thing.born.role === "born" ? at.width : x(thing.born.known);
      if (from === null || to === null || to < 0 || from > at.width) continue;
      shown.push({ thing, ended, from, to, drawn: over ?? thing.born });
    }
    let labelled = 0;
    /** @type {[string, number, number, "left" | "center" | "right", string][]} */ const words = [];
    const write = (/** @type {[string, number, number, "left" | "center" | "right", string]} */ ...word) => { words.push(word); };
    for (let rank = shown.length - 1; rank >= 0; rank -= 1) {
      const { thing, ended, from, to, drawn: born } = shown[rank];
      const tone = born.direction > 0 ? "--up" : born.direction < 0 ? "--down" : "--muted";
      const touched = thing.lives.some((life) => life.known <= now);
      const strength = (ended ? 0.5 : touched ? 0.7 : 1) * (rank < 12 ? 1 : 0.65);
      const place = { from, to: Math.max(to, from + 3), width: at.width, y: at.y };
      if (thing.before) leg(context, at, x, thing.before, born, colour, strength);
      else if (born.draw === "box") box(context, place, born, colour, tone, strength);
      else if (born.draw === "line") line(context, place, born, colour, tone, strength, write);
      else label(place, born, colour, tone, strength, write);
      for (const life of [...thing.lives, ...(ended ? [ended] : [])]) {
        const there = life.draw === "label" ? x(life.known) : null;
        if (there !== null) label({ ...place, from: there }, life, colour, tone, 0.8, write);
      }
      if (born.draw !== "label" && !ended && born.role === "born" && rank < 40 && labelled < LABELLED) {
        labelled += 1;
        named(place, born, colour, tone, write);
      }
    }
    lettered(context, words);
  }, "bottom");
}

/** One leg of a zigzag, from turn to turn. @param {CanvasRenderingContext2D} context @param {any} at @param {(ms: number) => number | null} x @param {Event} before @param {Event} born @param {any} colour @param {number} strength */
function leg(context, at, x, before, born, colour, strength) {
  const [x1, y1, x2, y2] = [x(before.at), at.y(before.level), x(born.at), at.y(born.level)];
  if (x1 === null || y1 === null || x2 === null || y2 === null) return;
  context.strokeStyle = colour("--accent", Number((0.8 * strength).toFixed(2)));
  context.lineWidth = 1.2;
  context.beginPath();
  context.moveTo(x1, y1);
  context.lineTo(x2, y2);
  context.stroke();
}

/** @param {CanvasRenderingContext2D} context @param {any} at @param {Event} born @param {any} colour @param {string} tone @param {number} strength */
function box(context, at, born, colour, tone, strength) {
  const [top, bottom] = [at.y(born.top), at.y(born.bottom)];
  if (top === null || bottom === null) return;
  const height = Math.max(1, bottom - top);
  context.fillStyle = colour(tone, Number((0.16 * strength).toFixed(2)));
  context.fillRect(at.from, top, at.to - at.from, height);
  context.strokeStyle = colour(tone, Number((0.45 * strength).toFixed(2)));
  context.lineWidth = 1;
  context.strokeRect(at.from + 0.5, top + 0.5, at.to - at.from - 1, Math.max(1, height - 1));
}

/** @param {CanvasRenderingContext2D} context @param {any} at @param {Event} born @param {any} colour @param {string} tone @param {number} strength @param {any} write */
function line(context, at, born, colour, tone, strength, write) {
  const y = at.y(born.level ?? born.top);
  if (y === null) return;
  context.strokeStyle = colour(tone, Number((0.8 * strength).toFixed(2)));
  context.lineWidth = 1;
  context.setLineDash(born.role === "born" ? [5, 4] : []);
  context.beginPath();
  context.moveTo(at.from, y);
  context.lineTo(at.to, y);
  context.stroke();
  context.setLineDash([]);
  if (born.role === "point" && at.to - at.from > 26) {
    write(said(born.kind), (at.from + at.to) / 2, born.direction > 0 ? y - 3 : y + 11, "center", colour(tone, Number(strength.toFixed(2))));
  }
}

/** @param {any} at @param {Event} born @param {any} colour @param {string} tone @param {number} strength @param {any} write */
function label(at, born, colour, tone, strength, write) {
  const y = at.y(born.level ?? (born.direction > 0 ? born.bottom : born.top));
  if (y === null) return;
  // A low's label stands under it, a high's above.
  const below = /low|bullish/.test(born.kind) || (born.direction > 0 && !/high/.test(born.kind));
  write(said(born.kind), at.from, below ? y + 14 : y - 6, "center", colour(tone, Number(strength.toFixed(2))));
}

/** The name of a living zone, at its right end. @param {any} at @param {Event} born @param {any} colour @param {string} tone @param {any} write */
function named(at, born, colour, tone, write) {
  const y = born.draw === "box" ? at.y(((born.top ?? 0) + (born.bottom ?? 0)) / 2) : at.y(born.level ?? born.top);
  if (y === null) return;
  write(said(born.kind), at.width - 6, y + (born.draw === "box" ? 3.5 : -4), "right", colour(tone));
}

/**
 * Words where there is room: the newest first, and none over another.
 * @param {CanvasRenderingContext2D} context @param {[string, number, number, "left" | "center" | "right", string][]} words
 */
function lettered(context, words) {
  context.font = "10.5px Inter Variable, system-ui, sans-serif";
  /** @type {[number, number, number][]} */ const taken = [];
  for (const [text, x, y, align, colour] of words.reverse()) {
    // Six pixels a letter is near enough, and measuring each would cost more than drawing it.
    const width = text.length * 6;
    const left = align === "center" ? x - width / 2 : align === "right" ? x - width : x;
    if (taken.some(([from, to, at]) => left < to && left + width > from && Math.abs(at - y) < 11)) continue;
    taken.push([left, left + width, y]);
    context.fillStyle = colour;
    context.textAlign = align;
    context.fillText(text, x, y);
  }
}
