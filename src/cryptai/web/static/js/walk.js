// The page of a walk-forward: the stitched account over its drawdown.

import { drawEquity } from "./equity.js";

const equity = document.getElementById("equity");
if (equity) drawEquity(equity);
