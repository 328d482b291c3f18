// Live prices over one WebSocket: who wants what, reconnecting with growing pauses, and saying so when it is silent.

import { age, number, percent, price } from "./numbers.js";

/** @typedef {{type: string, exchange: string, symbol: string, price: number, ts: number, change_24h: number | null, seq: number}} PriceEvent */

const SILENT_AFTER = 30000;
const CROSS = "M1 1l6 6M7 1L1 7";
/** @type {Record<string, string>} The marks of states that are not the usual half circle. */
const FORMS = { stale: CROSS, stopped: CROSS, halted: "M2 1v6M6 1v6" };
const exchange = document.body.dataset.exchange || "";
/** @type {Record<string, number>} */
const seen = {};
let epoch = "";
let heard = 0;
let pause = 500;
let heardSignals = false;
/** @type {WebSocket | null} */
let socket = null;
/** @type {{symbol: string, timeframe: string} | null} */
let candles = null;

/** Follow the prices of every symbol on the page, for as long as it is open. */
export function follow() {
  // Who is not let in (the sign-in page off this machine) is not followed either.
  if (!("live" in document.body.dataset)) return;
  connect();
  setInterval(watch, 1000);
}

/**
 * Also follow the candles of one market; they arrive as `cryptai:candle` events on the document.
 * @param {string} symbol @param {string} timeframe
 */
export function followCandles(symbol, timeframe) {
  candles = { symbol, timeframe };
  if (socket?.readyState === WebSocket.OPEN) ask();
}

/** @returns {string[]} */
function wanted() {
  const cells = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-price]"));
  return [...new Set([...cells].map((cell) => cell.dataset.price || ""))];
}

function connect() {
  const address = (location.protocol === "https:" ? "wss://" : "ws://") + location.host + "/ws/prices/";
  socket = new WebSocket(address);
  socket.addEventListener("open", () => { heard = Date.now(); ask(); });
  socket.addEventListener("message", (message) => { heard = Date.now(); pause = 500; take(JSON.parse(message.data)); });
  socket.addEventListener("close", () => {
    socket = null;
    const wait = pause * (0.75 + Math.random() / 2);
    pause = Math.min(pause * 2, 30000);
    setTimeout(connect, wait);
  });
}

function ask() {
  // The server takes 100 symbols and 4,096 characters; what was seen only spares a repetition.
  const subscribe = wanted().slice(0, 100);
  const message = { exchange, subscribe, epoch, seen: subscribe.length <= 60 ? seen : {} };
  const signals = document.querySelector("[data-signals]") !== null;
  socket?.send(JSON.stringify({ ...message, ...(candles && { candles }), ...(signals && { signals }) }));
}

/** @param {any} event */
function take(event) {
  if (event.type === "hello") {
    if (event.epoch !== epoch) for (const symbol of Object.keys(seen)) delete seen[symbol];
    epoch = event.epoch;
  } else if (event.type === "price" && event.exchange === exchange) {
    seen[event.symbol] = event.seq;
    show(event);
  } else if (event.type === "candle" && event.exchange === exchange) {
    document.dispatchEvent(new CustomEvent("cryptai:candle", { detail: event }));
  } else if (event.type === "signals" && event.exchange === exchange) {
    tellOfSignals(event);
  } else if (event.type === "run") {
    // Of the user's own: one that began or ended. Pages that show it ask for themselves again.
    document.dispatchEvent(new CustomEvent("cryptai:run", { detail: event }));
  } else if (event.type === "state") {
    showState(event.state, event.message);
    const words = document.querySelector("[data-feed-message]");
    if (words) words.textContent = event.message;
    showProgress(event.done, event.total);
    document.dispatchEvent(new CustomEvent("cryptai:state", { detail: event }));
    // The venue changed under the page (the practice market took over, or the real one came back).
    if (document.body.dataset.feed && event.exchange !== document.body.dataset.feed) location.reload();
  }
}

/**
 * Say that signals were decided, or evidence came, since the page was made: the reader says when to show it.
 * @param {{decided: object[], scanned_ms: number}} event
 */
function tellOfSignals(event) {
  const section = /** @type {HTMLElement | null} */ (document.querySelector("[data-signals]"));
  const news = /** @type {HTMLElement | null} */ (document.querySelector("[data-signals-news]"));
  if (!section || !news) return;
  const newer = event.scanned_ms > Number(section.dataset.signals);
  if (newer && event.decided.length) {
    const before = Number(news.dataset.count || 0);
    news.dataset.count = String(before + event.decided.length);
    news.textContent = `${news.dataset.count} ${news.dataset.decided}`;
    news.hidden = false;
  } else if ("awaitsEvidence" in section.dataset && heardSignals && news.hidden) {
    news.textContent = news.dataset.evidence || "";
    news.hidden = false;
  }
  // The first one only says what was told last.
  heardSignals = true;
}

/** @param {PriceEvent} event */
function show(event) {
  const name = CSS.escape(event.symbol);
  for (const cell of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(`[data-price="${name}"]`))) {
    const before = number(cell.dataset.value);
    const text = price(event.price, Number(cell.dataset.decimals || 2));
    cell.dataset.value = String(event.price);
    const td = cell.closest("td");
    if (td) td.dataset.value = String(event.price);
    cell.classList.remove("is-stale");
    if (text === cell.textContent) continue;
    cell.textContent = text;
    fade(cell, before !== null && event.price < before ? "fell" : "rose");
  }
  for (const cell of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(`[data-change="${name}"]`))) {
    const n = number(event.change_24h);
    cell.textContent = percent(n, 2, true);
    cell.className = n === null || n === 0 ? "flat" : n > 0 ? "up" : "down";
    const td = cell.closest("td");
    if (td) td.dataset.value = n === null ? "" : String(n);
  }
}

/** @param {HTMLElement} cell @param {string} way */
function fade(cell, way) {
  cell.classList.remove("rose", "fell");
  void cell.offsetWidth; // lets the animation begin anew
  cell.classList.add(way);
}

/** @param {string} state @param {string} message */
function showState(state, message) {
  const chip = /** @type {HTMLElement | null} */ (document.querySelector("[data-state-chip]"));
  // What is only stored is not followed: what the feed does elsewhere says nothing of it.
  if (!chip || chip.dataset.stateChip === "stored") return;
  const shape = state === "live" ? "fresh" : state;
  if (!chip.classList.contains(shape)) {
    chip.className = `chip ${shape}`;
    const mark = chip.querySelector(".dot");
    if (mark) {
      const name = state === "live" ? "circle" : "path";
      const form = document.createElementNS("http://www.w3.org/2000/svg", name);
      if (name === "circle") for (const [k, v] of [["cx", "4"], ["cy", "4"], ["r", "4"]]) form.setAttribute(k, v);
      else form.setAttribute("d", FORMS[state] || "M4 1a3 3 0 1 1-3 3");
      mark.replaceChildren(form);
    }
  }
  const word = chip.querySelector(".word");
  if (word) word.textContent = state;
  chip.title = message;
}

/** How far the back-fill is, wherever the page says so. @param {number} done @param {number} total */
function showProgress(done, total) {
  for (const box of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-feed-progress]"))) {
    const bar = box.querySelector("progress");
    const words = box.querySelector("[data-unit]");
    if (bar) { bar.max = total || 1; bar.value = done; }
    if (words) words.textContent = `${done} of ${total} ${words.getAttribute("data-unit")}`;
  }
}

function watch() {
  const silent = Date.now() - heard;
  if (!heard || silent < SILENT_AFTER) return;
  const word = document.querySelector('[data-state-chip]:not([data-state-chip="stored"]) .word');
  showState("stale", "Nothing was heard from the server; prices are as old as stated.");
  if (word) word.textContent = `stale, ${age(silent)}`;
  for (const cell of document.querySelectorAll("[data-price]")) cell.classList.add("is-stale");
}
