// The roles of tokens.css as colours a canvas understands; Lightweight Charts knows no oklch().

const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });

/** @param {string} role such as "--up" @param {number} [alpha] @returns {string} `rgba(r, g, b, a)` */
export function role(role, alpha = 1) {
  const box = document.createElement("i");
  box.style.color = `var(${role})`;
  box.hidden = true;
  document.body.append(box);
  const computed = getComputedStyle(box).color;
  box.remove();
  if (!probe) return "rgba(128, 128, 128, 1)";
  probe.canvas.width = probe.canvas.height = 1;
  probe.fillStyle = computed;
  probe.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = probe.getImageData(0, 0, 1, 1).data;
  return `rgba(${r}, ${g}, ${b}, ${((a / 255) * alpha).toFixed(3)})`;
}

/** The options every chart shares, in the colours of now. */
export function chartOptions() {
  const font = getComputedStyle(document.body).fontFamily;
  return {
    autoSize: true,
    layout: {
      background: { color: role("--s1") }, textColor: role("--muted"), fontFamily: font, fontSize: 11, attributionLogo: false,
      panes: { separatorColor: role("--line"), separatorHoverColor: role("--line-strong"), enableResize: true },
    },
    grid: { vertLines: { color: role("--grid") }, horzLines: { color: role("--grid") } },
    crosshair: {
      mode: 0,
      vertLine: { color: role("--line-strong"), labelBackgroundColor: role("--s3") },
      horzLine: { color: role("--line-strong"), labelBackgroundColor: role("--s3") },
    },
    rightPriceScale: { borderColor: role("--line"), minimumWidth: 76 },
    timeScale: { borderColor: role("--line"), timeVisible: true, secondsVisible: false, rightOffset: 6, minBarSpacing: 0.2 },
  };
}
