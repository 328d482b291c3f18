// Structures over the candles: zones as quiet boxes, levels as lines, single moments as small labels.

import { Drawing } from "./drawings.js";

/**
 * One event as the server tells it: `at` is where it is drawn, `known` the bar at whose close one knew.
 * @typedef {{id: number, kind: string, role: string, draw: string, direction: number, at: number, known: number, top: number | null, bottom: number | null, level: number | null}} Event
 * One thing to draw: its birth, and what became of it.
 * @typedef {{id: number, born: Event, lives: Event[], end: Event | null}} Thing
 */

// More than these in view is a carpet, not a drawing; the newest are kept.
const MOST = 220;
const LABELLED = 4;
const ABBREVIATED = /** @type {Record<string, string>} */ ({
  bos: "BOS", choch: "CHoCH", internal_bos: "iBOS", internal_choch: "iCHoCH", swing_high: "SH", swing_low: "SL",
});

/** A kind as a label says it. @param {string} kind */
export const said = (kind) => ABBREVIATED[kind] || kind.replaceAll("_", " ");

/** Events in the order they became known, as things with a life. @param {Event[]} events @returns {Thing[]} */
export function things(events) {
  /** @type {Map<number, Thing>} */ const living = new Map();
  /** @type {Thing[]} */ const all = [];
  for (const event of events) {
    const thing = living.get(event.id);
    if (event.role === "born" || event.role === "point" || !thing) {
      const made = { id: event.id, born: event, lives: [], end: null };
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
      if (thing.born.known > now || thing.born.draw === "none") continue;
      const ended = thing.end && thing.end.known <= now ? thing.end : null;
      // Times are compared before places are asked for: most of a long history is out of view.
      if (thing.born.at > right || (ended ?? (thing.born.role === "born" ? null : thing.born))?.known < left) continue;
      const from = x(thing.born.at);
      const to = ended ? x(ended.known) : thing.born.role === "born" ? at.width : x(thing.born.known);
      if (from === null || to === null || to < 0 || from > at.width) continue;
      shown.push({ thing, ended, from, to });
    }
    let labelled = 0;
    context.font = "10.5px Inter Variable, system-ui, sans-serif";
    for (let rank = shown.length - 1; rank >= 0; rank -= 1) {
      const { thing, ended, from, to } = shown[rank];
      const { born } = thing;
      const tone = born.direction > 0 ? "--up" : born.direction < 0 ? "--down" : "--muted";
      const touched = thing.lives.some((life) => life.known <= now);
      const strength = (ended ? 0.5 : touched ? 0.7 : 1) * (rank < 12 ? 1 : 0.65);
      const place = { from, to: Math.max(to, from + 3), width: at.width, y: at.y };
      if (born.draw === "box") box(context, place, born, colour, tone, strength);
      else if (born.draw === "line") line(context, place, born, colour, tone, strength);
      else label(context, place, born, colour, tone, strength);
      if (born.draw !== "label" && !ended && born.role === "born" && rank < 40 && labelled < LABELLED) {
        labelled += 1;
        named(context, place, born, colour, tone);
      }
    }
  }, "bottom");
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

/** @param {CanvasRenderingContext2D} context @param {any} at @param {Event} born @param {any} colour @param {string} tone @param {number} strength */
function line(context, at, born, colour, tone, strength) {
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
    context.fillStyle = colour(tone, Number(strength.toFixed(2)));
    context.textAlign = "center";
    context.fillText(said(born.kind), (at.from + at.to) / 2, born.direction > 0 ? y - 3 : y + 11);
  }
}

/** @param {CanvasRenderingContext2D} context @param {any} at @param {Event} born @param {any} colour @param {string} tone @param {number} strength */
function label(context, at, born, colour, tone, strength) {
  const y = at.y(born.level ?? (born.direction > 0 ? born.bottom : born.top));
  if (y === null) return;
  // A low's label stands under it, a high's above.
  const below = /low|bullish/.test(born.kind) || (born.direction > 0 && !/high/.test(born.kind));
  context.fillStyle = colour(tone, Number(strength.toFixed(2)));
  context.textAlign = "center";
  context.fillText(said(born.kind), at.from, below ? y + 14 : y - 6);
}

/** The name of a living zone, at its right end. @param {CanvasRenderingContext2D} context @param {any} at @param {Event} born @param {any} colour @param {string} tone */
function named(context, at, born, colour, tone) {
  const y = born.draw === "box" ? at.y(((born.top ?? 0) + (born.bottom ?? 0)) / 2) : at.y(born.level ?? born.top);
  if (y === null) return;
  context.fillStyle = colour(tone);
  context.textAlign = "right";
  context.fillText(said(born.kind), at.width - 6, y + (born.draw === "box" ? 3.5 : -4));
}
