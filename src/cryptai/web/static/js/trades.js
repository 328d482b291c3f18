// The table of trades: all of them, sorted and filtered, of which only the rows in sight are in the document.

import { fixed, percent, price } from "./numbers.js";

/**
 * A trade as `trades.json` gives it: side, entry ms, entry price, exit ms, exit price, profit, reason of the exit, then
 * profit over cost, fees, adverse and favourable excursion, reason of the entry, market, bars held, and its number.
 * @typedef {any[]} Trade
 */

const AT = { side: 0, entry: 1, paid: 2, exit: 3, got: 4, pnl: 5, reason: 6, gain: 7, fees: 8, mae: 9, mfe: 10, why: 11, symbol: 12, bars: 13, no: 14 };
const SPARE = 12;

/** @param {HTMLElement} box @param {Trade[]} trades */
export function tradesTable(box, trades) {
  const table = /** @type {HTMLTableElement} */ (box.querySelector("table"));
  const scroller = /** @type {HTMLElement} */ (box.querySelector(".table-box"));
  const form = /** @type {HTMLFormElement} */ (box.querySelector("form"));
  const count = /** @type {HTMLElement} */ (box.querySelector("[data-count]"));
  const several = box.hasAttribute("data-several");
  const body = table.tBodies[0];
  let shown = trades;
  let by = "no";
  let up = true;
  // Which of those shown are in the document, from and to; -1 before they were drawn.
  let from = -1;
  let to = -1;

  // One row of the server's says how high a row is; from here on it is the script's table.
  const height = body.rows[0]?.getBoundingClientRect().height || 32;
  table.classList.add("fixed");
  table.removeAttribute("data-sortable");
  box.querySelector(".pager")?.remove();
  form.hidden = false;
  widen(table, trades);
  const above = spacer();
  const below = spacer();

  const draw = () => {
    const first = Math.max(0, Math.floor(scroller.scrollTop / height) - SPARE);
    const last = Math.min(shown.length, first + Math.ceil(scroller.clientHeight / height) + 2 * SPARE);
    if (first === from && last === to) return;
    const rows = (/** @type {number} */ a, /** @type {number} */ b) => shown.slice(a, b).map((trade, i) => row(trade, a + i + 2, several));
    resize(above, first * height);
    resize(below, (shown.length - last) * height);
    if (first >= to || last <= from) {
      body.replaceChildren(above, ...rows(first, last), below);
    } else {
      // What stays in sight stays in the document: the browser has laid it out.
      for (let i = from; i < first; i++) above.nextSibling?.remove();
      for (let i = to; i > last; i--) below.previousSibling?.remove();
      above.after(...rows(first, from));
      below.before(...rows(to, last));
    }
    [from, to] = [first, last];
  };
  const renew = () => {
    const at = AT[by];
    shown = trades.filter(chosen(form));
    shown.sort((a, b) => order(a[at], b[at], up) || a[AT.no] - b[AT.no]);
    count.textContent = shown.length === trades.length ? fixed(shown.length, 0) : `${fixed(shown.length, 0)} of ${fixed(trades.length, 0)}`;
    table.setAttribute("aria-rowcount", String(shown.length + 1));
    scroller.scrollTop = 0;
    from = to = -1;
    draw();
  };

  for (const head of /** @type {NodeListOf<HTMLTableCellElement>} */ (table.querySelectorAll("thead th[data-by]"))) {
    const button = head.querySelector("button") ?? wrapped(head);
    // The plain table's own way of sorting was put on this button before; it knows one page only.
    const fresh = /** @type {HTMLButtonElement} */ (button.cloneNode(true));
    button.replaceWith(fresh);
    head.setAttribute("aria-sort", head.dataset.by === by ? "ascending" : "none");
    fresh.addEventListener("click", () => {
      const name = head.dataset.by || "no";
      up = name === by ? !up : name === "no" || name === "entry" || name === "exit" || head.dataset.sort === "text";
      by = name;
      for (const other of table.querySelectorAll("thead th[data-by]")) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      renew();
    });
  }
  for (const [name, at] of [["left", AT.reason], ["market", AT.symbol]]) {
    const select = /** @type {HTMLSelectElement | null} */ (form.querySelector(`select[name=${name}]`));
    if (select) for (const value of [...new Set(trades.map((t) => t[at]))].sort()) select.append(new Option(String(value).replaceAll("_", " "), value));
  }
  form.addEventListener("input", renew);
  form.addEventListener("submit", (event) => event.preventDefault());
  scroller.addEventListener("scroll", () => requestAnimationFrame(draw), { passive: true });
  new ResizeObserver(draw).observe(scroller);
  renew();
}

/** @param {HTMLFormElement} form @returns {(trade: Trade) => boolean} */
function chosen(form) {
  const asked = new FormData(form);
  const value = (/** @type {string} */ name) => String(asked.get(name) ?? "");
  const [side, left, market, ended] = ["side", "left", "market", "ended"].map(value);
  const words = value("words").trim().toLowerCase();
  return (trade) =>
    (!side || trade[AT.side] === side) && (!left || trade[AT.reason] === left) && (!market || trade[AT.symbol] === market) &&
    (!ended || (ended === "won") === trade[AT.pnl] > 0) &&
    (!words || `${day(trade[AT.entry])} ${trade[AT.why]}`.toLowerCase().includes(words));
}

/**
 * The columns whose figures may be long are as wide as their longest. @param {HTMLTableElement} table @param {Trade[]} trades
 */
function widen(table, trades) {
  let all = 0;
  for (const [name, write] of /** @type {[string, (v: number) => string][]} */ ([["paid", price], ["got", price], ["pnl", (v) => fixed(v, 2, true)], ["fees", (v) => fixed(v, 2)]])) {
    const values = trades.map((trade) => Math.abs(trade[AT[name]]));
    const [low, high] = values.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, 0]);
    const wide = Math.max(7, write(-low).length, write(-high).length) + 4;
    const head = /** @type {HTMLElement | null} */ (table.querySelector(`th[data-by=${name}]`));
    if (head) head.style.width = `${wide}ch`;
    all += wide;
  }
  table.style.minWidth = `calc(${all}ch + 700px)`;
}

/** What has no value stands last, whichever way. @param {any} a @param {any} b @param {boolean} up */
function order(a, b, up) {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  const less = typeof a === "string" ? a.localeCompare(b) : a - b;
  return up ? less : -less;
}

/** @param {Trade} trade @param {number} index @param {boolean} several */
function row(trade, index, several) {
  const tr = document.createElement("tr");
  tr.setAttribute("aria-rowindex", String(index));
  const tone = trade[AT.pnl] > 0 ? "up" : trade[AT.pnl] < 0 ? "down" : "flat";
  const goto = document.createElement("a");
  goto.href = "#chart-title";
  goto.dataset.goto = String(trade[AT.entry]);
  if (several) goto.dataset.symbol = trade[AT.symbol];
  goto.textContent = day(trade[AT.entry]);
  const side = document.createElement("span");
  side.className = `side ${trade[AT.side]}`;
  side.textContent = `${trade[AT.side] === "long" ? "▲" : "▼"} ${trade[AT.side]}`;
  const sided = cell("");
  sided.append(side);
  tr.append(cell(String(trade[AT.no]), "num"), sided);
  if (several) tr.append(cell(trade[AT.symbol]));
  const entered = cell("");
  entered.append(goto);
  entered.title = trade[AT.why];
  tr.append(
    entered, cell(price(trade[AT.paid]), "num"), cell(day(trade[AT.exit])), cell(price(trade[AT.got]), "num"),
    cell(String(trade[AT.reason]).replaceAll("_", " ")), cell(fixed(trade[AT.pnl], 2, true), `num ${tone}`),
    cell(percent(trade[AT.gain], 2, true), `num ${tone}`), cell(percent(trade[AT.mae], 1), "num"), cell(percent(trade[AT.mfe], 1), "num"),
    cell(fixed(trade[AT.fees], 2), "num"),
  );
  return tr;
}

/** @param {string} text @param {string} [name] */
function cell(text, name) {
  const td = document.createElement("td");
  td.textContent = text;
  if (name) td.className = name;
  return td;
}

/** @param {number} ms */
function day(ms) { return new Date(ms).toISOString().slice(0, 16).replace("T", " "); }

function spacer() {
  const tr = document.createElement("tr");
  tr.setAttribute("aria-hidden", "true");
  tr.className = "spacer";
  tr.append(document.createElement("td"));
  return tr;
}

/** @param {HTMLTableRowElement} tr @param {number} height */
function resize(tr, height) {
  tr.hidden = height <= 0;
  tr.cells[0].style.height = `${height}px`;
}

/** @param {HTMLTableCellElement} head */
function wrapped(head) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...head.childNodes);
  head.append(button);
  return button;
}
