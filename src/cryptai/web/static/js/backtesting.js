// The backtest form: another strategy or venue keeps what was typed, and a submitted form says that it runs.

const form = /** @type {HTMLFormElement | null} */ (document.getElementById("backtest"));
if (form) {
  for (const link of /** @type {NodeListOf<HTMLAnchorElement>} */ (document.querySelectorAll("[data-keeps] a"))) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      const kept = new URLSearchParams(new URL(link.href).search);
      for (const [name, value] of new FormData(form)) {
        if (typeof value === "string" && value && !kept.has(name) && !name.startsWith("param") && name !== "csrfmiddlewaretoken") kept.set(name, value);
      }
      location.assign(`?${kept}`);
    });
  }
  form.addEventListener("submit", () => {
    const button = form.querySelector("button[type=submit]");
    button?.setAttribute("aria-disabled", "true");
    const running = document.getElementById("running");
    if (running) running.textContent = "Running …";
  });
  // Coming back by the browser's history shows the form as it was, ready again.
  window.addEventListener("pageshow", () => {
    form.querySelector("button[type=submit]")?.removeAttribute("aria-disabled");
    const running = document.getElementById("running");
    if (running) running.textContent = "";
  });
  form.querySelector(".field.wrong input, .field.wrong select")?.scrollIntoView({ block: "center" });
}
