// Numbers and ages for live values; the same rules as cryptai.web.pages.numbers.

const THIN = "\u202f";
const NOTHING = "–";

/** @param {unknown} value @returns {number | null} */
export function number(value) {
  if (value === null || value === undefined || value === "" || typeof value === "boolean") return null;
  const n = Number(value);
  return Number.isFinite(n) ? n : null;
}

/** @param {unknown} value @param {number} decimals @param {boolean} [sign] @returns {string} */
export function fixed(value, decimals, sign = false) {
  const n = number(value);
  if (n === null) return NOTHING;
  const [whole, rest] = Math.abs(n).toFixed(decimals).split(".");
  const text = whole.replace(/\B(?=(\d{3})+$)/g, THIN) + (rest ? "." + rest : "");
  if (!/[1-9]/.test(text)) return text;
  return (n < 0 ? "−" : sign ? "+" : "") + text;
}

/** @param {number} value @returns {number} */
export function significantDecimals(value) {
  if (!value) return 2;
  const most = Math.min(10, Math.max(2, 4 - Math.floor(Math.log10(Math.abs(value)))));
  const text = Math.abs(value).toFixed(most).replace(/0+$/, "");
  return Math.max(2, (text.split(".")[1] || "").length);
}

/** @param {unknown} value @param {number} [decimals] @returns {string} */
export function price(value, decimals) {
  const n = number(value);
  return n === null ? NOTHING : fixed(n, decimals ?? significantDecimals(n));
}

/** @param {unknown} fraction @param {number} [decimals] @param {boolean} [sign] @returns {string} */
export function percent(fraction, decimals = 2, sign = false) {
  const n = number(fraction);
  return n === null ? NOTHING : fixed(n * 100, decimals, sign) + THIN + "%";
}

/** @param {unknown} value @returns {string} */
export function amount(value) {
  const n = number(value);
  if (n === null) return NOTHING;
  for (const [from, unit, letter] of [[1e12, 1e12, "T"], [1e9, 1e9, "B"], [1e6, 1e6, "M"], [1e4, 1e3, "K"]]) {
    if (Math.abs(n) >= Number(from)) {
      const part = n / Number(unit);
      return fixed(part, Math.abs(part) >= 100 ? 1 : 2) + THIN + letter;
    }
  }
  return fixed(n, Math.abs(n) < 1000 ? 2 : 0);
}

/** @param {number} ms @returns {string} */
export function age(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s >= 172800) return fixed(Math.floor(s / 86400), 0) + " d";
  if (s >= 7200) return Math.floor(s / 3600) + " h";
  if (s >= 60) return Math.floor(s / 60) + " min";
  return s + " s";
}

/** @param {number} ms @returns {string} */
export function when(ms) {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? NOTHING : date.toISOString().slice(0, 16).replace("T", " ") + " UTC";
}
