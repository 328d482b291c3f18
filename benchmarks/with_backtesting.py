"""What backtesting.py makes of given signals, for `peers`: run by an interpreter that has it.

usage: with_backtesting.py DATA.npz: reads prices and decisions, prints one JSON line a run.
"""

import json
import sys
import warnings

import numpy as np
import pandas as pd
from backtesting import Strategy
from backtesting.lib import FractionalBacktest


class _Given(Strategy):
    bracket = False

    def init(self) -> None:
        pass

    def next(self) -> None:
        now = len(self.data) - 1
        said, close = SAYS[now], self.data.Close[-1]
        if said > 0 and not self.position:
            levels = {"sl": close * (1 - STOP), "tp": close * (1 + TARGET)} if self.bracket else {}
            self.buy(**levels)
        elif said < 0 and self.position:
            self.position.close()


def main() -> None:
    """Run it all."""
    warnings.filterwarnings("ignore")
    bars = int(GIVEN["short"])
    frame = pd.DataFrame(
        {name: GIVEN[name.lower()][:bars] for name in ("Open", "High", "Low", "Close")},
        index=pd.to_datetime(np.arange(bars), unit="m"),
    )
    frame["Volume"] = 1.0
    commission = float(GIVEN["fee"] + GIVEN["slippage"])
    run = FractionalBacktest(frame, _Given, cash=float(GIVEN["cash"]), commission=commission)
    for what in ("signals", "bracket"):
        found = run.run(bracket=what == "bracket")
        print(
            json.dumps({
                "what": what, "trades": int(found["# Trades"]),
                "final_equity": float(found["Equity Final [$]"]),
            })
        )  # fmt: skip


GIVEN = np.load(sys.argv[1])
SAYS, STOP, TARGET = GIVEN["says"], float(GIVEN["stop"]), float(GIVEN["target"])
main()
