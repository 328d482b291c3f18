"""Specimens of the laboratory's pictures for the styleguide: made of plain waves, of no market and no run."""

from __future__ import annotations

import math
from typing import Any

from cryptai.analytics.round_trips import of_rows
from cryptai.analytics.tables import Period
from cryptai.web.pages.heat_map import MONTHS, heat_map
from cryptai.web.pages.trade_pictures import excursions, histogram


def specimens() -> dict[str, Any]:
    """Return what the laboratory's components take: `years month_names histogram excursions`."""
    waves = [0.26 * math.sin(1.7 * i) * math.sin(0.3 * i) for i in range(30)]
    months = [
        Period(f"{2021 + i // 12}-{i % 12 + 1:02}", wave, 0.0, 0, 0, 0.0) for i, wave in enumerate(waves)
    ]
    years = [Period(str(year), 0.04 * (year - 2022), 0.0, 0, 0, 0.0) for year in (2021, 2022, 2023)]
    trips = of_rows([_trade(i) for i in range(160)], "BTC/USDT")
    return {
        "years": heat_map(months, years), "month_names": MONTHS, "histogram": histogram(trips, 0.08),
        "excursions": excursions(trips),
    }  # fmt: skip


def _trade(i: int) -> dict[str, Any]:
    gain = max(-0.08, 0.07 * math.sin(2.3 * i) + 0.05 * math.sin(0.9 * i * i) + 0.01)
    return {
        "side": "long", "entry_time": "2021-01-01T00:00:00Z", "exit_time": "2021-01-02T00:00:00Z",
        "entry_price": 100.0, "exit_price": 100.0 * (1.0 + gain), "quantity": 1.0, "fees": 0.0,
        "pnl": 100.0 * gain, "mae": max(0.0, -gain) + 0.02 * math.sin(i) ** 2,
        "mfe": max(0.0, gain) + 0.03 * math.cos(i) ** 2, "entry_reason": "specimen", "exit_reason": "signal",
    }  # fmt: skip
