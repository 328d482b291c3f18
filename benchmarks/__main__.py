"""`python -m benchmarks [NAME …]`: run them all, or some; one JSON line each."""

from __future__ import annotations

import json
import sys

from benchmarks import (
    bar_by_bar,
    close_to_socket,
    fan_out,
    indicators,
    lists,
    one_run,
    own_strategy,
    peers,
    portfolio,
    rescan,
    search,
    storage,
    structures,
    whole_process,
)

ALL = {
    "one_run": one_run.measure,
    "own_strategy": own_strategy.measure,
    "bar_by_bar": bar_by_bar.measure,
    "search": search.measure,
    "portfolio": portfolio.measure,
    "peers": peers.measure,
    "storage": storage.measure,
    "fan_out": fan_out.measure,
    "rescan": rescan.measure,
    "close_to_socket": close_to_socket.measure,
    "indicators": indicators.measure,
    "lists": lists.measure,
    "structures": structures.measure,
    "whole_process": whole_process.measure,
}


def main() -> None:
    """Run the named benchmarks and print their figures."""
    for name in sys.argv[1:] or ALL:
        if name not in ALL:
            sys.exit(f"There is no benchmark {name!r}; known are: {', '.join(ALL)}.")
        for figures in ALL[name]():
            print(json.dumps(figures), flush=True)


main()
