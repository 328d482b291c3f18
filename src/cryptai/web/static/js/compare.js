// Runs side by side: their equities from 100 on one axis, and the figures under the pointer.

import { LineSeries, createChart } from "../vendor/lightweight-charts.js";
import { chartOptions, role } from "./palette.js";
import { fixed, when } from "./numbers.js";

const ROLES = ["--accent", "--line-a", "--line-b", "--up", "--line-c"];
const STYLES = [0, 2, 1, 0, 2];
const box = document.getElementById("curves");
const text = document.getElementById("series")?.textContent;
if (box && text) draw(box, JSON.parse(text));

/** @param {HTMLElement} box @param {number[][][]} runs each `[time in ms, equity from 100]` */
function draw(box, runs) {
  const stage = /** @type {HTMLElement} */ (box.querySelector(".live"));
  stage.hidden = false;
  const chart = createChart(stage, chartOptions());
  const priceFormat = { type: "custom", minMove: 0.01, formatter: (/** @type {number} */ v) => fixed(v, v < 1000 ? 1 : 0) };
  const lines = runs.map((rows, i) => {
    const line = chart.addSeries(LineSeries, { lineWidth: 2, lineStyle: STYLES[i], priceLineVisible: false, lastValueVisible: true, priceFormat });
    line.setData(rows.map(([ts, value]) => ({ time: ts / 1000, value })));
    return line;
  });
  const look = () => {
    chart.applyOptions(chartOptions());
    lines.forEach((line, i) => line.applyOptions({ color: role(ROLES[i]) }));
  };
  look();
  document.addEventListener("cryptai:look", look);
  chart.timeScale().fitContent();
  box.querySelector(".picture")?.classList.add("gone");
  const keys = [...document.querySelectorAll("#curves-readout > span")];
  const names = keys.map((key) => key.innerHTML);
  chart.subscribeCrosshairMove((/** @type {any} */ move) => {
    keys.forEach((key, i) => {
      const at = move.time === undefined ? undefined : runs[i].findLast(([ts]) => ts <= move.time * 1000);
      if (!at) { key.innerHTML = names[i]; return; }
      const mark = key.querySelector(".key");
      const value = document.createElement("b");
      value.textContent = fixed(at[1], 1);
      key.replaceChildren(...(mark ? [mark] : []), `${when(at[0])} `, value);
    });
  });
}
