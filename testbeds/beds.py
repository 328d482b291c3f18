"""The beds by name: what each proves, at which volume, and the planted bugs it must catch."""

from __future__ import annotations

import logging
import os
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from cryptai import seams
from testbeds.burst import burst
from testbeds.calibration import calibration
from testbeds.calls import tool_missing
from testbeds.cards import cards
from testbeds.causality import causality
from testbeds.commands import downloads, platforms
from testbeds.days import days
from testbeds.execution import SCRIPTS, scripts
from testbeds.flood import flood
from testbeds.follow import START_MS, Volume, follow, with_kinds
from testbeds.kept import keeps
from testbeds.listing import listings
from testbeds.null_market import null_bed
from testbeds.parity import STRATEGIES, parity
from testbeds.power import cuts, failures
from testbeds.reaper import kills
from testbeds.reproducible import reproduce
from testbeds.sharing import share
from testbeds.silence import silences
from testbeds.site import site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from testbeds.faults import Faults

# Ten minutes before summer time begins and ends in Europe: 2024-03-31 and 2023-10-29, 00:50 UTC.
_CLOCK_CHANGES: Final = (1_711_846_200_000, 1_698_540_600_000)

Size = str
"""`test` (seconds), `quick` (at most a minute), `day` (`long`, but one day of `truth`) or `long`.

`truth` has `suite`, the test suite's day, too.
"""


# How soon after a kill everything can be read, and how much later than else the platform answers.
_BACK_S: Final = 2.0


@dataclass(frozen=True)
class Bed:
    """One proof: `run(seed, size)` returns figures, among them `fell_short`, empty where all held.

    Attributes
    ----------
    catches
        The planted bugs with which it must fall short.
    seeds
        How many seeds make its long volume.
    alone
        Whether it runs in real time, so that nothing else may run beside it.
    with_bug
        How it runs with a bug planted in the process that it starts; None where it starts none.
    lacks
        Says in words what this machine lacks for it; "" for nothing.
    """

    title: str
    run: Callable[[int, Size], dict[str, Any]]
    catches: tuple[str, ...]
    seeds: int = 1
    alone: bool = False
    with_bug: Callable[[int, str], dict[str, Any]] | None = None
    lacks: Callable[[], str] = str


def _followed(seed: int, faults: Faults | None, volume: Volume) -> dict[str, Any]:
    outcome = follow(seed, volume, faults)
    return asdict(outcome) | {"fell_short": outcome.fell_short}


def _truth(seed: int, size: Size) -> dict[str, Any]:
    # Every kind at its own rate, as the seed draws them.
    volume = {
        "test": Volume(1, minutes=40, history=60),
        # One day of the suite's three goes over connections only.
        "suite": Volume(5, ("1m", "5m"), minutes=1440) if seed == 1
        else Volume(5, ("1m",), minutes=1440, in_memory=0.9),
        "quick": Volume(5, minutes=1440), "day": Volume(50, ("1m",), minutes=1440, in_memory=0.98),
        "long": Volume(50, ("1m",), minutes=14_400, in_memory=0.98),
    }[size]  # fmt: skip
    return _followed(seed, None, volume)


def _only(*kinds: str) -> Callable[..., dict[str, Any]]:
    volumes = {
        "test": Volume(1, minutes=30, history=60), "quick": Volume(4, minutes=180),
        "long": Volume(8, minutes=1440),
    }  # fmt: skip
    # In a short run what befalls some times a day must befall more often, or it proves nothing.
    often = {"test": 20.0, "quick": 4.0, "long": 1.0}

    def run(seed: int, size: Size, start_ms: int = START_MS) -> dict[str, Any]:
        volume = replace(volumes[size], start_ms=start_ms)
        figures = _followed(seed, with_kinds(seed, *kinds, often=often[size]), volume)
        if not figures["faults"]:
            figures["fell_short"].append("no fault struck")
        return figures

    return run


def _clocks(seed: int, size: Size) -> dict[str, Any]:
    # Where this machine lives its clock is also put back, or forward, by an hour while it runs.
    with _living_in("Europe/Berlin"):
        figures: dict[str, Any] = _only("clock")(seed, size, start_ms=_CLOCK_CHANGES[seed % 2])
    return figures


@contextmanager
def _living_in(zone: str) -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = zone
    time.tzset()
    try:
        yield
    finally:
        os.environ.pop("TZ")
        if before is not None:
            os.environ["TZ"] = before
        time.tzset()


def _kills(seed: int, size: Size) -> dict[str, Any]:
    return kills(seed, {"test": 2, "quick": 25, "long": 200}[size])


def _commands(seed: int, size: Size) -> dict[str, Any]:
    often, platform = {"test": (5, 1), "quick": (25, 8), "long": (200, 60)}[size]
    download, up = downloads(seed, often), platforms(seed, platform)
    short = [*download.pop("fell_short"), *up.pop("fell_short")]
    # How quick a start is in itself is this machine's matter.
    later = (up["start_s"] or 0.0) - up["undisturbed_start_s"]
    slowest = max(download["slowest_read_s"], up["slowest_read_s"], later)
    if size != "test" and slowest > _BACK_S:
        short.append("it was not back in time")
    return {"seed": seed, "download": download, "up": up, "fell_short": short}


def _sharing(seed: int, size: Size) -> dict[str, Any]:
    return share(seed, {"test": 4, "quick": 24, "long": 240}[size])


def _cuts(seed: int, size: Size) -> dict[str, Any]:
    return cuts(seed, *{"test": (60, 60, 2), "quick": (400, 60, 8), "long": (1000, 100, 40)}[size])


def _kept(seed: int, size: Size) -> dict[str, Any]:
    return keeps(seed, {"test": 40, "quick": 200, "long": 1000}[size])


def _failures(seed: int, size: Size) -> dict[str, Any]:
    return failures(seed, *{"test": (12, 7), "quick": (20, 3), "long": (60, 1)}[size])


def _silences(seed: int, size: Size) -> dict[str, Any]:
    return silences(seed, {"test": 5, "quick": 50, "long": 1000}[size])


def _flood(seed: int, size: Size) -> dict[str, Any]:
    # Markets, "minutes" (calm, in a burst, with a jammed disk), seconds of writing candles.
    symbols, rounds, ingest_s = {
        "test": (200, (1, 1, 1), 1.0), "quick": (500, (2, 3, 1), 5.0), "long": (2000, (5, 10, 2), 10.0),
    }[size]  # fmt: skip
    return flood(seed, symbols, rounds, ingest_s, timed=size == "long")


def _listings(seed: int, size: Size) -> dict[str, Any]:
    # Markets, those of them that meet a fate, minutes in which they do.
    volume = {"test": (20, 8, 30), "quick": (100, 20, 60), "long": (500, 100, 120)}[size]
    return listings(seed, *volume)


def _site(seed: int, size: Size) -> dict[str, Any]:
    symbols, seconds = {"test": (30, 30), "quick": (30, 60), "long": (30, 600)}[size]
    return site(seed, symbols, seconds, bans=size == "long")


def _reproducible(seed: int, size: Size) -> dict[str, Any]:
    return reproduce(seed, {"test": 4, "quick": 20, "long": 100}[size], second=size != "test")


def _burst(seed: int, size: Size) -> dict[str, Any]:
    symbols, minutes = {"test": (4, 7), "quick": (50, 12), "long": (300, 30)}[size]
    return burst(seed, symbols, minutes)


BEDS: Final = {
    "truth": Bed(
        "B1: the store is the venue's truth, and no untrue closed candle is ever seen", _truth,
        ("forming_is_closed", "revisions_ignored"), seeds=20,
    ),
    "kills": Bed(
        "B2: what was acknowledged survives kill -9", _kills, ("acknowledged_early",), alone=True,
        with_bug=lambda seed, bug: kills(seed, 1, bug),
    ),
    "commands": Bed(
        "B2: the same of `cryptai data download` and `cryptai up`, as another process sees it", _commands,
        ("newest_dropped",), alone=True, with_bug=lambda seed, bug: downloads(seed, 2, bug),
    ),
    "power": Bed(
        "B3: what was acknowledged survives a power cut, on a disk that forgets what was not synced", _cuts,
        ("segments_unsynced", "folders_unsynced", "rows_before_files", "catalog_off", "catalog_normal"),
        with_bug=lambda seed, bug: cuts(seed, 200, 60, 0, bug), lacks=tool_missing,
    ),
    "kept": Bed(
        "B3: what the platform, a backtest, an export and a backup said was kept survives a power cut", _kept,
        ("folders_unsynced",),
        with_bug=lambda seed, bug: keeps(seed, 60, bug), lacks=tool_missing,
    ),
    "errors": Bed(
        "B3: a disk that fails or is full stops us loudly, and spoils nothing", _failures, ("log_first",),
        with_bug=lambda seed, bug: failures(seed, 3, 1, bug), lacks=tool_missing,
    ),
    "gaps": Bed(
        "B4: nothing is invented; the holes are the venue's outages",
        _only("listing", "drop", "silence", "reset"), ("no_back_fill", "gaps_filled_flat"),
    ),
    "limits": Bed(
        "B5: no request before Retry-After, no ban of our own doing", _only("pause", "ban", "weights"),
        ("retry_after_ignored",),
    ),
    "sharing": Bed(
        "B5: five processes share one allowance, die and come back, and are never banned", _sharing,
        ("budget_each",), with_bug=lambda seed, bug: share(seed, 2, bug),
    ),
    "clocks": Bed("B6: a wrong clock misplaces no candle", _clocks, ("own_clock_trusted",)),
    "burst": Bed("B8: a burst loses no close", _burst, ("closes_conflated",)),
    "listings": Bed(
        "B7: markets are delisted, renamed, halted and listed anew, and the others go on", _listings,
        ("delisting_raises", "dead_cost_nothing"),
    ),
    "site": Bed(
        "`cryptai up` fills and follows 30 markets at 10 % faults, and `data check` says complete", _site,
        ("practice_at_once",), alone=True,
        with_bug=lambda seed, bug: site(seed, 2, 5.0, bans=False, bug=bug),
    ),
    "flood": Bed(
        "B8: two thousand markets, ten times their prices for half a minute, 50,000 candles a second", _flood,
        ("closes_dropped", "prices_queued", "oldest_price_kept"), alone=True,
    ),
    "silence": Bed("E9: silence is noticed, and only silence", _silences, ("silence_unnoticed",)),
    "causality": Bed(
        "C1 to C3: nothing sees the future, live equals history, declared warm-up is enough", causality,
        ("a_feature_peeks",),
    ),
    "reproducible": Bed(
        "C5: the same data, code and configuration give the same bits in every process, on every machine",
        _reproducible, ("local_times", "set_of_markets"),
        with_bug=lambda seed, bug: reproduce(seed, 3, bug, second=False),
    ),
    "null_market": Bed(
        "N4: nothing wins in twenty worlds where nothing can be won", null_bed, ("labels_traded",)
    ),
    "calibration": Bed(
        "C6: of searches on noise at most one in twenty is called skill, and overfitting says a half",
        calibration, ("trials_not_counted", "purged_by_entry"),
    ),
    "cards": Bed(
        "A planted edge is covered by the card's interval in 95 of 100 worlds, and none is not found",
        cards, ("overlapping_counted", "expired_forgotten", "later_seen"),
    ),
    "days": Bed(
        "What is found day by day, and at each close as if live, is what one pass over all finds",
        days, ("too_few_bars", "coarser_bar_peeked"),
    ),
    "execution": Bed(
        "Trades, equity and refusals of random scripts of orders are those of a reference in plain Python",
        lambda seed, size: scripts(seed, SCRIPTS[size]), ("better_reading",),
    ),
    "parity": Bed(
        "C4: a session, shown one time of the clock after the other, does what the backtest did, to the bit",
        lambda seed, size: parity(seed, STRATEGIES[size]),
        ("row_before_forgotten", "bars_not_counted", "decided_a_bar_late", "restart_loses_orders",
         "finer_bars_ignored", "funding_forgotten"),
    ),
}  # fmt: skip


def run_bed(name: str, seed: int, size: Size) -> dict[str, Any]:
    """Run one bed and return its figures, with its name and size and the seconds that it took."""
    logging.disable(logging.ERROR)  # faults are what is expected here
    began, used = seams.monotonic(), time.process_time()
    figures = {"bed": name, "size": size} | BEDS[name].run(
        seed, "long" if size == "day" and name != "truth" else size
    )
    took = {"took_s": seams.monotonic() - began, "cpu_s": time.process_time() - used}
    return figures | {what: round(seconds, 1) for what, seconds in took.items()}
