"""Signals kept up beside the board: the choice of each day, and what came of what was promised."""

from __future__ import annotations

from django.conf import settings

from cryptai.errors import CryptaiError
from cryptai.market.timeframe import DAY_MS
from cryptai.seams import now_ms
from cryptai.web import live
from cryptai.web.jobs import job


@job(cron="5 0 * * *", heavy=True)
def select_daily_best_signals_task() -> str:
    """Choose yesterday's five best signals of every venue, from bars closed by midnight UTC."""
    from cryptai.screening.daily import choose  # noqa: PLC0415 (heavy: not at start)
    from cryptai.screening.evidence import Evidence  # noqa: PLC0415
    from cryptai.screening.record import Record  # noqa: PLC0415
    from cryptai.strategies.strategy import strategies  # noqa: PLC0415

    store = live.store()
    record, said, failed = Record(store.catalog), [], []
    yesterday = now_ms() // DAY_MS * DAY_MS - DAY_MS
    for exchange in live.exchanges():
        evidence = Evidence(settings.WORKSPACE, store, exchange)
        try:
            # A person's own strategies never run in this process; the board has theirs.
            chosen = choose(record, store, exchange, evidence, yesterday, names=strategies.names())
        except CryptaiError as error:
            failed.append(f"{exchange}: {error}")
            continue
        said.append(f"{exchange}: {len(chosen)} chosen.")
    if failed:
        raise CryptaiError(" ".join([*failed, *said]))
    return " ".join(said) or "No candles are stored."


@job(every="1h")
def follow_signals_task() -> str:
    """Note what came of the recorded signals: entered, target, stop, expired or missed."""
    from cryptai.screening.life import follow  # noqa: PLC0415 (heavy: not at start)
    from cryptai.screening.record import Record  # noqa: PLC0415

    store = live.store()
    record = Record(store.catalog)
    noted = {exchange: follow(record, store, exchange) for exchange in live.exchanges()}
    return (
        " ".join(f"{exchange}: {count} events." for exchange, count in noted.items()) or "Nothing is stored."
    )
