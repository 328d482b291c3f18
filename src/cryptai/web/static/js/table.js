// Sorting a table by its headers: a header with data-sort becomes a button; cells sort by data-value or text.

export function sortable() {
  for (const table of document.querySelectorAll("table[data-sortable]")) {
    for (const head of table.querySelectorAll("thead th[data-sort]")) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      head.setAttribute("aria-sort", head.getAttribute("aria-sort") || "none");
      button.addEventListener("click", () => sort(/** @type {HTMLTableElement} */ (table), /** @type {HTMLTableCellElement} */ (head)));
    }
  }
}

/** @param {HTMLTableElement} table @param {HTMLTableCellElement} head */
function sort(table, head) {
  const numeric = head.dataset.sort === "number";
  const now = head.getAttribute("aria-sort");
  const up = now === "none" ? !numeric : now !== "ascending";
  for (const other of table.querySelectorAll("thead th[aria-sort]")) other.setAttribute("aria-sort", "none");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  const value = (/** @type {HTMLTableRowElement} */ row) => {
    const cell = row.cells[head.cellIndex];
    return cell.dataset.value ?? cell.textContent?.trim() ?? "";
  };
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => ({ row, text: value(row), n: Number(value(row) || NaN) }));
  rows.sort((a, b) => {
    if (numeric) {
      // What has no number stands last, whichever way.
      if (Number.isNaN(a.n) || Number.isNaN(b.n)) return Number(Number.isNaN(a.n)) - Number(Number.isNaN(b.n));
      return up ? a.n - b.n : b.n - a.n;
    }
    return up ? a.text.localeCompare(b.text) : b.text.localeCompare(a.text);
  });
  body.append(...rows.map((r) => r.row));
}
