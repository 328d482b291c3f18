// The Data page and the page of jobs: renewed each minute, every few seconds while something runs, and at once
// when the feed changes its state; nothing else moves.

const EVERY = 60000;
const SOON = 4000;
let renewed = Date.now();
let state = "";
let busy = false;

setInterval(() => {
  if (document.querySelector("[data-soon]") || Date.now() - renewed >= EVERY) renew();
}, SOON);
document.addEventListener("cryptai:state", (event) => {
  const now = /** @type {CustomEvent} */ (event).detail.state;
  if (state && now !== state) renew();
  state = now;
});

/** Takes each section anew from the server, but one that somebody is using. */
async function renew() {
  if (busy || document.hidden) return;
  busy = true;
  renewed = Date.now();
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const old = [...document.querySelectorAll("[data-renew]")];
    // Another set of sections is another page: the first candles came, or the store went.
    if (old.length !== fresh.querySelectorAll("[data-renew]").length) return location.reload();
    for (const section of old) {
      const next = fresh.getElementById(section.id);
      if (next && !section.contains(document.activeElement) && section.innerHTML !== next.innerHTML) section.replaceWith(next);
    }
  } catch {
    return; // the state chip says that the server is not heard
  } finally {
    busy = false;
  }
}
