// Replay: the chart as it stood at a bar, stepped or played; the future is greyed, and nothing of it is shown.

import { Drawing } from "./drawings.js";
import { when } from "./numbers.js";

const PACES = [1200, 600, 250, 100];

/** @param {import("./candles.js").CandleChart} chart */
export function replay(chart) {
  const bar = document.getElementById("replay");
  const open = document.getElementById("replay-open");
  if (!bar || !open) return;
  const clock = bar.querySelector("[data-replay=clock]");
  const play = bar.querySelector("[data-replay=play]");
  const pace = /** @type {HTMLSelectElement | null} */ (bar.querySelector("select"));
  let timer = 0;

  const veil = new Drawing((context, at) => {
    if (chart.upto === null) return;
    const ts = chart.data.bars[chart.upto]?.[0];
    const x = at.x(ts);
    if (x === null) return;
    const half = chart.chart.timeScale().options().barSpacing / 2;
    context.fillStyle = chart.colour("--muted", 0.12);
    context.fillRect(x + half, 0, Math.max(0, at.width - x - half), at.height);
  }, "top");
  chart.candles.attachPrimitive(veil);

  const tell = () => {
    if (chart.upto === null) return;
    const i = chart.upto;
    clock?.replaceChildren(`${when(chart.data.bars[i][0])} · bar ${i + 1} of ${chart.data.bars.length}`);
    document.dispatchEvent(new CustomEvent("cryptai:replay", { detail: { bar: i } }));
  };
  const stop = () => {
    clearInterval(timer);
    timer = 0;
    play?.setAttribute("aria-pressed", "false");
    play?.replaceChildren("Play");
  };
  const go = (/** @type {number} */ i) => {
    const last = chart.data.bars.length - 1;
    const to = Math.max(1, Math.min(last, i));
    chart.replayTo(to);
    if (to === last) stop();
    tell();
  };
  const leave = () => {
    stop();
    bar.hidden = true;
    open.setAttribute("aria-pressed", "false");
    chart.replayTo(null);
    document.dispatchEvent(new CustomEvent("cryptai:replay", { detail: { bar: null } }));
  };
  const enter = () => {
    bar.hidden = false;
    open.setAttribute("aria-pressed", "true");
    const range = chart.chart.timeScale().getVisibleLogicalRange();
    go(Math.round(range ? range.from + (range.to - range.from) * 0.6 : chart.data.bars.length / 2));
  };
  const start = () => {
    stop();
    play?.setAttribute("aria-pressed", "true");
    play?.replaceChildren("Pause");
    timer = window.setInterval(() => go((chart.upto ?? 0) + 1), PACES[Number(pace?.value ?? 1)]);
  };

  open.addEventListener("click", () => (chart.upto === null ? enter() : leave()));
  bar.addEventListener("click", (event) => {
    const what = event.target instanceof Element ? event.target.closest("[data-replay]")?.getAttribute("data-replay") : null;
    if (what === "back") { stop(); go((chart.upto ?? 1) - 1); }
    if (what === "step") { stop(); go((chart.upto ?? 0) + 1); }
    if (what === "play") { if (timer) stop(); else start(); }
    if (what === "leave") leave();
  });
  pace?.addEventListener("change", () => { if (timer) start(); });
  chart.chart.subscribeClick((/** @type {any} */ click) => { if (chart.upto !== null && click.logical !== undefined && click.logical !== null) { stop(); go(Math.round(click.logical)); } });
  document.addEventListener("keydown", (event) => {
    if (chart.upto === null || event.ctrlKey || event.metaKey || event.altKey || (event.target instanceof Element && event.target.closest("input, select, textarea, dialog"))) return;
    if (event.key === "ArrowRight") { event.preventDefault(); stop(); go(chart.upto + 1); }
    if (event.key === "ArrowLeft") { event.preventDefault(); stop(); go(chart.upto - 1); }
    if (event.key === "Escape") leave();
  });
  document.addEventListener("cryptai:older", tell);
}
