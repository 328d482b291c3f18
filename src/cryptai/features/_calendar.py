"""Days, weeks and months in UTC, for kernels."""

from __future__ import annotations

from typing import Final

from cryptai.kernels import part

# The number of each period, and the most minutes it has: no history of one-minute bars needs more.
PERIODS: Final = {"day": 0, "week": 1, "month": 2}
MINUTES: Final = {"day": 1_440, "week": 10_080, "month": 44_640}


@part
def period_of(ts: int, period: int) -> int:
    """Return the number of the day, week (from Monday) or month an instant in ms UTC lies in."""
    day = ts // 86_400_000
    if period == 0:
        return day
    if period == 1:
        return (day - 4) // 7
    # The civil calendar counted from March, so that leap days come last (Howard Hinnant's days_from_civil).
    shifted = day + 719_468
    era = shifted // 146_097
    of_era = shifted - era * 146_097
    year = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    month = (5 * of_year + 2) // 153
    return (era * 400 + year) * 12 + month
