// A toast: one line in the corner, with an optional undo, gone after six seconds.

/** @param {string} text @param {() => void} [undo] */
export function toast(text, undo) {
  const box = document.createElement("div");
  box.className = "toast";
  const words = document.createElement("span");
  words.textContent = text;
  box.append(words);
  if (undo) {
    const button = document.createElement("button");
    button.className = "button quiet";
    button.type = "button";
    button.textContent = "Undo";
    button.addEventListener("click", () => { undo(); box.remove(); });
    box.append(button);
  }
  document.getElementById("toasts")?.append(box);
  setTimeout(() => box.remove(), 6000);
}
