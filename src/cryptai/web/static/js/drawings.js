// What is drawn over the candles: a signal's entry–stop–target bands, and trades joined from entry to exit.

/**
 * A Lightweight Charts series primitive that hands a canvas, in CSS pixels, to `paint`.
 * @typedef {(context: CanvasRenderingContext2D, at: {x: (ms: number) => number | null, y: (price: number) => number | null, width: number, height: number, visible: () => {from: number, to: number} | null}) => void} Paint
 */
export class Drawing {
  /** @param {Paint} paint @param {"bottom" | "top"} order */
  constructor(paint, order) {
    this.paint = paint;
    /** @type {any} */ this.place = null;
    const renderer = {
      draw: (/** @type {any} */ target) => target.useMediaCoordinateSpace((/** @type {any} */ scope) => {
        if (!this.place) return;
        const { chart, series } = this.place;
        const scale = chart.timeScale();
        this.paint(scope.context, {
          x: (ms) => scale.timeToCoordinate(ms / 1000),
          y: (price) => series.priceToCoordinate(price),
          width: scope.mediaSize.width,
          height: scope.mediaSize.height,
          visible: () => scale.getVisibleRange(),
        });
      }),
    };
    this.views = [{ zOrder: () => order, renderer: () => renderer }];
  }

  /** @param {any} place */
  attached(place) { this.place = place; }
  detached() { this.place = null; }
  paneViews() { return this.views; }
  updateAllViews() {}
  redraw() { this.place?.requestUpdate(); }
}

/**
 * @typedef {{side: string, strategy: string, entry: number, stop: number, target: number, decided_at_ms: number, reason: string}} Band
 * @param {() => Band[]} bands @param {() => number[][]} bars `[time, open, high, low, close, volume]`, oldest first
 * @param {(role: string, alpha?: number) => string} colour @param {() => boolean} shown
 */
export function bandsOf(bands, bars, colour, shown) {
  return new Drawing((context, at) => {
    if (!shown()) return;
    bands().slice(0, 4).forEach((band, rank) => {
      // The decision falls on a bar's close, which is the open of the bar that follows it, if there is one.
      const from = at.x(Math.min(band.decided_at_ms, bars().at(-1)?.[0] ?? 0)) ?? 0;
      const [entry, stop, target] = [at.y(band.entry), at.y(band.stop), at.y(band.target)];
      if (entry === null || stop === null || target === null) return;
      const strength = 1 / (1 + rank);
      const width = Math.max(at.width - from, 24);
      context.fillStyle = colour("--down", 0.1 * strength);
      context.fillRect(from, Math.min(entry, stop), width, Math.abs(stop - entry));
      context.fillStyle = colour("--up", 0.1 * strength);
      context.fillRect(from, Math.min(entry, target), width, Math.abs(target - entry));
      const lines = [[stop, "--down", "stop"], [entry, "--text", `${band.side} entry`], [target, "--up", "target"]];
      for (const [y, role, name] of /** @type {[number, string, string][]} */ (lines)) {
        context.strokeStyle = colour(role, 0.9 * strength);
        context.lineWidth = 1;
        context.setLineDash(name.endsWith("entry") ? [] : [4, 3]);
        context.beginPath();
        context.moveTo(from, y);
        context.lineTo(from + width, y);
        context.stroke();
        if (rank === 0) {
          context.font = "11px Inter Variable, system-ui, sans-serif";
          context.fillStyle = colour(role);
          context.textAlign = "right";
          context.fillText(name, at.width - 6, y - 4);
        }
      }
      context.setLineDash([]);
      const cause = bars().findLast((bar) => bar[0] < band.decided_at_ms);
      if (cause) joined(context, at.x(cause[0]), at.y(cause[4]), from, entry, colour("--text", 0.9 * strength));
    });
  }, "bottom");
}

/**
 * The bar that caused a signal: a ring at its close, and a thin line from there to where the band begins.
 * @param {CanvasRenderingContext2D} context @param {number | null} x @param {number | null} y
 * @param {number} from @param {number} entry @param {string} colour
 */
function joined(context, x, y, from, entry, colour) {
  if (x === null || y === null) return;
  context.strokeStyle = colour;
  context.lineWidth = 1;
  context.beginPath();
  context.arc(x, y, 3.5, 0, 2 * Math.PI);
  context.moveTo(x, y);
  context.lineTo(from, entry);
  context.stroke();
}

/**
 * Trades as `[side, entry ms, entry price, exit ms, exit price, pnl, reason]`.
 * @param {() => any[][]} trades @param {(role: string, alpha?: number) => string} colour
 */
export function tradesOf(trades, colour) {
  return new Drawing((context, at) => {
    const [up, down, ink] = [colour("--up"), colour("--down"), colour("--s1")];
    // A few can say why they ended; of many the words would hide the candles.
    const seen = at.visible();
    const near = seen ? trades().filter((trade) => trade[3] >= seen.from * 1000 && trade[1] <= seen.to * 1000) : [];
    const worded = near.length <= 16;
    for (const [side, entryMs, entryPrice, exitMs, exitPrice, pnl, reason] of near) {
      const [x1, y1, x2, y2] = [at.x(entryMs), at.y(entryPrice), at.x(exitMs), at.y(exitPrice)];
      if (x1 === null || x2 === null || y1 === null || y2 === null) continue;
      const tone = pnl > 0 ? up : down;
      context.strokeStyle = tone;
      context.lineWidth = 1.4;
      context.setLineDash([3, 3]);
      context.beginPath();
      context.moveTo(x1, y1);
      context.lineTo(x2, y2);
      context.stroke();
      context.setLineDash([]);
      triangle(context, x1, y1, side === "long" ? 1 : -1, side === "long" ? up : down, ink);
      triangle(context, x2, y2, side === "long" ? -1 : 1, tone, ink);
      if (!worded || !reason) continue;
      context.font = "11px Inter Variable, system-ui, sans-serif";
      context.textAlign = "center";
      context.lineWidth = 3;
      context.strokeStyle = ink;
      context.fillStyle = tone;
      const y = side === "long" ? y2 - 16 : y2 + 24;
      const words = String(reason).replaceAll("_", " ");
      context.strokeText(words, x2, y);
      context.fillText(words, x2, y);
    }
  }, "top");
}

/**
 * A triangle that points at a fill: from below for a buy, from above for a sale.
 * @param {CanvasRenderingContext2D} context @param {number} x @param {number} y @param {number} way @param {string} fill @param {string} edge
 */
function triangle(context, x, y, way, fill, edge) {
  context.beginPath();
  context.moveTo(x, y + 2 * way);
  context.lineTo(x - 5, y + 11 * way);
  context.lineTo(x + 5, y + 11 * way);
  context.closePath();
  context.fillStyle = fill;
  context.fill();
  context.strokeStyle = edge;
  context.lineWidth = 1;
  context.stroke();
}
