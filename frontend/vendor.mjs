// Copies the few third-party files the site serves from node_modules into the package's static folder.
//
// Run from anywhere, after `npm ci --ignore-scripts` in this folder:  node frontend/vendor.mjs
// (`npm ci --ignore-scripts --omit=dev` is enough to serve; the browser tests also want axe-core.)

import { copyFileSync, existsSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, "..", "src", "cryptai", "web", "static", "vendor");

/** Where it lies in node_modules → what we call it. Each comes with its licence. */
const files = {
  "lightweight-charts/dist/lightweight-charts.standalone.production.mjs": "lightweight-charts.js",
  "lightweight-charts/LICENSE": "lightweight-charts.LICENSE",
  "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2": "inter-latin.woff2",
  "@fontsource-variable/inter/LICENSE": "inter.LICENSE",
};

mkdirSync(target, { recursive: true });
for (const [from, to] of Object.entries(files)) {
  const source = join(here, "node_modules", from);
  if (!existsSync(source)) {
    console.error(`frontend: ${from} is missing; run \`npm ci --ignore-scripts\` in frontend/ first.`);
    process.exit(2);
  }
  copyFileSync(source, join(target, to));
}
console.log(`frontend: ${Object.keys(files).length} files copied to src/cryptai/web/static/vendor`);
