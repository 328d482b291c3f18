// The dialog of the chart's menu: a list to search, one switch a feature, its parameters beside it once it is on.

/** @param {import("./overlays.js").Overlays} overlays */
export function menu(overlays) {
  const dialog = /** @type {HTMLDialogElement | null} */ (document.getElementById("features"));
  const button = document.getElementById("features-open");
  const search = /** @type {HTMLInputElement | null} */ (dialog?.querySelector("input[type=search]"));
  const list = dialog?.querySelector(".feature-list");
  if (!dialog || !button || !search || !list) return;
  const fill = () => {
    const words = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const found = (overlays.menu || []).filter((one) => words.every((word) => `${one.name.replaceAll("_", " ")} ${one.group} ${one.kind} ${one.says}`.toLowerCase().includes(word)));
    list.replaceChildren(...groups(found).flatMap(([title, members]) => [heading(title), ...members.map((one) => row(overlays, one))]));
    if (!found.length) list.append(heading(`Nothing is named “${search.value.slice(0, 40)}”.`));
  };
  const count = () => {
    const n = overlays.on.size;
    button.querySelector("span")?.replaceChildren(n ? `Indicators and structures (${n})` : "Indicators and structures");
  };
  button.addEventListener("click", async () => {
    dialog.showModal();
    search.value = "";
    try { await overlays.list(); fill(); } catch (error) { list.replaceChildren(heading(String(error instanceof Error ? error.message : error))); }
    search.focus();
  });
  search.addEventListener("input", fill);
  document.addEventListener("cryptai:overlays", count);
  count();
}

/** What is told by its file is told by its subject. @param {import("./overlays.js").Feature[]} found @returns {[string, import("./overlays.js").Feature[]][]} */
function groups(found) {
  /** @type {Map<string, import("./overlays.js").Feature[]>} */ const by = new Map();
  for (const one of found) {
    const title = `${one.kind === "structure" ? "Structure" : "Indicator"} · ${one.group.replaceAll("_", " ")}`;
    by.set(title, [...(by.get(title) || []), one]);
  }
  return [...by].sort(([a], [b]) => (a < b ? 1 : -1));
}

/** @param {string} text */
function heading(text) {
  const h = document.createElement("h3");
  h.textContent = text;
  return h;
}

/** @param {import("./overlays.js").Overlays} overlays @param {import("./overlays.js").Feature} one */
function row(overlays, one) {
  const box = document.createElement("div");
  box.className = "feature-row";
  const label = document.createElement("label");
  const check = document.createElement("input");
  check.type = "checkbox";
  check.checked = overlays.on.has(one.name);
  const words = document.createElement("span");
  const name = document.createElement("b");
  name.textContent = one.name.replaceAll("_", " ");
  const says = document.createElement("small");
  says.textContent = one.says;
  words.append(name, says);
  label.append(check, words);
  box.append(label);
  const place = document.createElement("div");
  place.className = "feature-params";
  box.append(place);
  const fields = () => place.replaceChildren(...(check.checked ? one.parameters.map((p) => field(overlays, one, p)) : []));
  check.addEventListener("change", async () => {
    check.disabled = true;
    await overlays.set(one.name, check.checked, overlays.on.get(one.name)?.params || {});
    check.checked = overlays.on.has(one.name);
    check.disabled = false;
    fields();
  });
  fields();
  return box;
}

/** @param {import("./overlays.js").Overlays} overlays @param {import("./overlays.js").Feature} one @param {import("./overlays.js").Parameter} p */
function field(overlays, one, p) {
  const label = document.createElement("label");
  label.title = p.meaning;
  label.append(`${p.name.replaceAll("_", " ")} `);
  const value = overlays.on.get(one.name)?.params[p.name] ?? p.default;
  const input = p.choices.length ? document.createElement("select") : document.createElement("input");
  if (input instanceof HTMLSelectElement) for (const choice of p.choices) input.append(new Option(choice, choice, choice === value, choice === value));
  else if (p.type === "bool") { input.type = "checkbox"; input.checked = Boolean(value); } else {
    input.type = "number";
    input.value = String(value);
    if (p.low !== null) input.min = String(p.low);
    if (p.high !== null) input.max = String(p.high);
    input.step = p.type === "int" ? "1" : "any";
  }
  input.addEventListener("change", () => {
    if (!input.reportValidity()) return;
    const given = input instanceof HTMLInputElement && input.type === "checkbox" ? input.checked : input.value;
    overlays.set(one.name, true, { ...overlays.on.get(one.name)?.params, [p.name]: given });
  });
  label.append(input);
  return label;
}
