// The frame's behaviour on every page: look, keys, finding a market, the palette, clock, rows, live prices.

import { follow } from "./live.js";
import { toast } from "./toast.js";
import { sortable } from "./table.js";
import { when } from "./numbers.js";

const root = document.documentElement;
/** @template {HTMLElement} T @param {string} id @returns {T} */
const byId = (id) => /** @type {any} */ (document.getElementById(id));
const { exchange, feed } = document.body.dataset;
// A venue that the feed does not follow is shown only where the address names it, so every way keeps it.
const venue = exchange && exchange !== feed ? `?exchange=${encodeURIComponent(exchange)}` : "";

// --- look ---------------------------------------------------------------------------------------------------

/** @returns {Record<string, string>} */
function look() {
  try {
    return JSON.parse(localStorage.getItem("cryptai.look") || "{}") || {};
  } catch {
    return {};
  }
}

/** @param {string} name @param {string} value */
function choose(name, value) {
  const chosen = { ...look(), [name]: value };
  try {
    localStorage.setItem("cryptai.look", JSON.stringify(chosen));
  } catch {
    toast("The choice lasts until the page is left: this browser keeps nothing.");
  }
  if (value === "system") delete root.dataset[name];
  else root.dataset[name] = value;
  showChoices();
  document.dispatchEvent(new CustomEvent("cryptai:look"));
}

function showChoices() {
  const defaults = { theme: "system", density: "compact", pair: "safe" };
  for (const group of document.querySelectorAll("[data-choice]")) {
    const name = group.getAttribute("data-choice") || "";
    const now = root.dataset[name] || defaults[name];
    for (const button of group.querySelectorAll("button")) button.setAttribute("aria-pressed", String(button.value === now));
  }
}

document.addEventListener("click", (event) => {
  const target = /** @type {Element} */ (event.target);
  const choice = target.closest("[data-choice] button");
  if (choice) choose(choice.parentElement?.getAttribute("data-choice") || "", /** @type {HTMLButtonElement} */ (choice).value);
  const action = target.closest("[data-action]")?.getAttribute("data-action");
  if (action === "fold") choose("rail", root.dataset.rail === "narrow" ? "wide" : "narrow");
  if (action === "help") byId("help").showModal();
  if (action === "close") target.closest("dialog")?.close();
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(target)) menu.removeAttribute("open");
  if (!target.closest(".find")) byId("found").hidden = true;
});
matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => document.dispatchEvent(new CustomEvent("cryptai:look")));

// --- clock --------------------------------------------------------------------------------------------------

const clock = byId("clock");
const ahead = Number(document.body.dataset.now) - Date.now();
function tick() {
  // The server's clock rules: signals and bars are dated by it.
  const now = new Date(Date.now() + (Number.isFinite(ahead) ? ahead : 0));
  clock.textContent = when(now.getTime());
  clock.setAttribute("datetime", now.toISOString());
}
setInterval(tick, 5000);

// --- finding ------------------------------------------------------------------------------------------------

/** @typedef {{name: string, note: string, url?: string, run?: () => void}} Way */
/** @type {Promise<Way[]> | null} */
let markets = null;
function allMarkets() {
  markets ??= fetch(`/markets.json${venue}`, { headers: { Accept: "application/json" } })
    .then((answer) => (answer.ok ? answer.json() : { markets: [] }))
    .then((body) => body.markets.map((/** @type {any} */ m) => ({ name: m.symbol, note: m.exchange, url: m.url })))
    .catch(() => []);
  return markets;
}

/** @param {Way[]} ways @param {string} text */
function matching(ways, text) {
  const wanted = text.toLowerCase().replace(/[^a-z0-9]/g, "");
  const plain = (/** @type {Way} */ w) => w.name.toLowerCase().replace(/[^a-z0-9]/g, "");
  const hits = ways.filter((w) => plain(w).includes(wanted));
  return hits.sort((a, b) => Number(plain(b).startsWith(wanted)) - Number(plain(a).startsWith(wanted))).slice(0, 12);
}

/**
 * A text field over a list of ways: arrows choose, Enter goes.
 * @param {HTMLInputElement} input @param {HTMLElement} list @param {() => Promise<Way[]>} source
 */
function chooser(input, list, source) {
  /** @type {Way[]} */ let shown = [];
  let at = 0;
  const draw = () => {
    list.replaceChildren(
      ...shown.map((way, i) => {
        const row = document.createElement("div");
        row.id = `${list.id}-${i}`;
        row.setAttribute("role", "option");
        row.setAttribute("aria-selected", String(i === at));
        const name = document.createElement("span");
        name.textContent = way.name;
        const note = document.createElement("small");
        note.textContent = way.note;
        row.append(name, note);
        row.addEventListener("mousedown", (event) => { event.preventDefault(); go(way); });
        return row;
      }),
    );
    if (!shown.length) {
      const none = document.createElement("div");
      none.setAttribute("role", "option");
      none.setAttribute("aria-selected", "false");
      none.setAttribute("aria-disabled", "true");
      none.className = "muted";
      none.textContent = "Nothing of that name";
      list.append(none);
    }
    input.setAttribute("aria-activedescendant", shown.length ? `${list.id}-${at}` : "");
    list.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
  };
  const refresh = async () => {
    const text = input.value;
    const ways = await source();
    if (text !== input.value) return;
    shown = matching(ways, text);
    at = 0;
    draw();
  };
  const go = (/** @type {Way} */ way) => {
    input.closest("dialog")?.close();
    if (way.run) way.run();
    else if (way.url) location.assign(way.url);
  };
  input.addEventListener("input", refresh);
  input.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && shown.length) {
      at = (at + step + shown.length) % shown.length;
      draw();
      event.preventDefault();
    } else if (event.key === "Enter" && shown[at] && (input.value || input.closest("dialog"))) {
      go(shown[at]);
      event.preventDefault();
    }
  });
  return refresh;
}

const find = byId("find");
const found = byId("found");
find.setAttribute("role", "combobox");
find.setAttribute("aria-expanded", "false");
find.setAttribute("aria-controls", "found");
const refreshFound = chooser(/** @type {any} */ (find), found, allMarkets);
const openFound = (/** @type {boolean} */ open) => { found.hidden = !open; find.setAttribute("aria-expanded", String(open)); };
find.addEventListener("focus", async () => { await refreshFound(); openFound(document.activeElement === find); });
find.addEventListener("blur", () => openFound(false));

/** @returns {Promise<Way[]>} */
async function everywhere() {
  const pages = [...document.querySelectorAll(".rail nav a")].map((a) => ({ name: a.textContent?.trim() || "", note: "page", url: /** @type {HTMLAnchorElement} */ (a).href }));
  const actions = [
    { name: "Dark theme", note: "look", run: () => choose("theme", "dark") },
    { name: "Light theme", note: "look", run: () => choose("theme", "light") },
    { name: "System theme", note: "look", run: () => choose("theme", "system") },
    { name: "Roomy density", note: "look", run: () => choose("density", "comfortable") },
    { name: "Compact density", note: "look", run: () => choose("density", "compact") },
    { name: "Dense density", note: "look", run: () => choose("density", "dense") },
    { name: "Keys", note: "help", run: () => byId("help").showModal() },
  ];
  return [...pages, ...(await allMarkets()), ...actions];
}
const paletteInput = byId("palette-input");
const refreshPalette = chooser(/** @type {any} */ (paletteInput), byId("palette-options"), everywhere);

// --- keys ---------------------------------------------------------------------------------------------------

const pages = { t: "/", s: "/signals/", m: "/markets/", b: "/analytics/backtesting/", d: "/data/dashboard/" };
let waiting = 0;
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    paletteInput.value = "";
    byId("palette").showModal();
    refreshPalette();
    return;
  }
  const typing = /** @type {Element} */ (event.target).closest("input, select, textarea, dialog");
  if (event.key === "Escape" && typing === find) find.blur();
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (Date.now() - waiting < 1200 && pages[event.key]) { location.assign(pages[event.key] + venue); return; }
  waiting = event.key === "g" ? Date.now() : 0;
  if (event.key === "/") { event.preventDefault(); find.focus(); }
  if (event.key === "?") byId("help").showModal();
  if (event.key === "[" || event.key === "]") /** @type {HTMLElement | null} */ (document.querySelector(`[data-key="${event.key}"]`))?.click();
  if (event.key === "j" || event.key === "k") step(event.key === "j" ? 1 : -1);
  if (event.key === "Enter" && event.target === document.body) /** @type {HTMLElement | null} */ (document.querySelector("tr[data-at] a"))?.click();
});

/** @param {number} by */
function step(by) {
  const rows = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("table[data-rows] tbody tr:not([hidden])")]);
  if (!rows.length) return;
  const at = rows.findIndex((row) => row.hasAttribute("data-at"));
  rows[at]?.removeAttribute("data-at");
  const row = rows[Math.min(rows.length - 1, Math.max(0, at < 0 ? 0 : at + by))];
  row.setAttribute("data-at", "");
  row.scrollIntoView({ block: "nearest" });
}

// What is still being made is looked for again; without script the page says so and has a button.
if (document.querySelector("[data-awaited]")) setTimeout(() => location.reload(), 2500);

showChoices();
tick();
sortable();
follow();
