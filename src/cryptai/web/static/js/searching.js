// The form of a search: how many sets the ranges make is told while they are typed.

import { fixed } from "./numbers.js";

const MOST = 100000;
const form = /** @type {HTMLFormElement | null} */ (document.getElementById("backtest"));
const told = document.getElementById("count");
if (form && told) {
  const tell = () => { told.replaceChildren(...words(form)); };
  form.addEventListener("input", tell);
  tell();
}

/** @param {HTMLFormElement} form @returns {(string | Node)[]} */
function words(form) {
  const data = new FormData(form);
  const text = (/** @type {string} */ name) => String(data.get(name) ?? "").trim();
  const counts = [];
  for (const input of /** @type {NodeListOf<HTMLInputElement | HTMLSelectElement>} */ (form.querySelectorAll("[data-ranges] [name^='from.']"))) {
    const name = input.name.slice(5);
    counts.push(count(text(input.name), text(`to.${name}`), text(`step.${name}`)));
  }
  const lines = form.querySelector("textarea[name=param]");
  if (lines) for (const line of text("param").split("\n")) counts.push(counted(line.slice(line.indexOf("=") + 1)));
  if (counts.some((n) => n === null)) return ["A range needs a beginning, an end not below it, and a step above 0."];
  const all = counts.reduce((product, n) => Number(product) * Number(n), 1) ?? 1;
  const grid = text("method") === "grid";
  const some = grid ? all : Math.min(all, Number(text("trials")) || 200);
  const strong = document.createElement("b");
  strong.textContent = fixed(some, 0);
  const of = grid ? "" : ` of ${fixed(all, 0)}`;
  if (grid && all > MOST) return [strong, ` combinations are more than the ${fixed(MOST, 0)} of a grid; widen the steps, or choose the method random.`];
  return [strong, `${of} ${some === 1 ? "set" : "sets"}, fewer where the strategy refuses some. Each counts as a try.`];
}

/** How many values a range takes; both ends are in it. @param {string} low @param {string} high @param {string} step */
function count(low, high, step) {
  if (!high) return low.includes(":") || low.includes(",") ? counted(low) : 1;
  const [from, to, by] = [Number(low), Number(high), step ? Number(step) : 1];
  if (!low || ![from, to, by].every(Number.isFinite) || to < from || by <= 0) return null;
  const steps = Math.floor((to - from) / by + 1e-9);
  return steps + 1 + Number(to - from - steps * by > by * 1e-9);
}

/** The same of what is written in one: a list, each part a value or a range. @param {string} text @returns {number | null} */
function counted(text) {
  const parts = text.split(",").map((part) => {
    const [low, high, step] = part.split(":");
    return high === undefined ? 1 : count(low.trim(), high.trim(), (step ?? "").trim());
  });
  return parts.some((n) => n === null) ? null : parts.reduce((sum, n) => Number(sum) + Number(n), 0);
}
