// Writes the person's choice of look on <html> before the first paint; the only script that blocks.
(function () {
  const root = document.documentElement;
  let look = {};
  try {
    look = JSON.parse(localStorage.getItem("cryptai.look") || "{}") || {};
  } catch {
    // Storage may be switched off: the system's look is used then.
  }
  for (const name of ["theme", "density", "pair", "rail"]) {
    const value = look[name];
    if (typeof value === "string" && value !== "system") root.dataset[name] = value;
  }
  root.dataset.script = "on";
})();
