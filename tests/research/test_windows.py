"""Windows of a walk-forward, and purging: no trade of a training side touches its test, by brute force."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import numpy as np
import pytest

from cryptai.errors import InputError
from cryptai.research import windows as module
from cryptai.research.windows import Window, purged, read_span, windows

HOUR, DAY = 3_600_000, 86_400_000
# `make proof` runs the long volume (the bed `calibration`).
VOLUME = 400


def overlaps(begin, end, window, embargo_ms):
    """Look at every hour of the label and of the forbidden time: whether they share one."""
    forbidden = set(range(window[0] - embargo_ms, window[1] + embargo_ms, HOUR))
    return any(hour in forbidden for hour in range(begin, end + HOUR, HOUR))


def random_labels(seed):
    rng = np.random.default_rng([seed, 5])
    begin = rng.integers(0, 240, 40) * HOUR
    end = begin + rng.integers(0, 50, 40) * HOUR
    start = int(rng.integers(0, 200))
    test = start * HOUR, (start + int(rng.integers(1, 60))) * HOUR
    return begin, end, test, int(rng.integers(0, 30)) * HOUR


def count_wrong(rule, seeds):
    """Return labels kept that overlap, and labels thrown away that do not, over so many random sets."""
    overlapping = wasted = 0
    for seed in seeds:
        begin, end, test, embargo = random_labels(seed)
        kept = rule(begin, end, *test, embargo_ms=embargo)
        for one in range(len(begin)):
            touches = overlaps(int(begin[one]), int(end[one]), test, embargo)
            overlapping += bool(kept[one]) and touches
            wasted += not kept[one] and not touches
    return overlapping, wasted


def test_no_label_that_is_kept_overlaps_the_test_and_none_is_wasted():
    assert count_wrong(purged, range(VOLUME)) == (0, 0)


@pytest.mark.parametrize(
    "planted",
    [
        lambda begin, end, start, stop, embargo_ms: (
            (end <= start - embargo_ms) | (begin >= stop + embargo_ms)
        ),
        lambda begin, end, start, stop, embargo_ms: (begin < start) | (begin >= stop),
        lambda begin, end, start, stop, embargo_ms: (end < start) | (begin >= stop),
        lambda begin, end, start, stop, embargo_ms: (end < start - embargo_ms) | (begin >= stop),
    ],
    ids=["ends at the test", "by its entry only", "no embargo", "no embargo after"],
)
def test_the_oracle_catches_a_purge_that_is_wrong(planted):
    assert count_wrong(planted, range(40))[0] > 0


@pytest.mark.parametrize("anchored", [False, True])
@pytest.mark.parametrize("embargo", [0, 5])
def test_training_ends_before_its_test_by_the_embargo_and_tests_follow_each_other(anchored, embargo):
    for seed in range(60):
        rng = np.random.default_rng([seed, 6])
        ts = np.arange(2_000) * HOUR
        ts = ts[np.sort(rng.choice(2_000, 1_800, replace=False))]
        train, test = int(rng.integers(3, 30)) * DAY, int(rng.integers(2, 20)) * DAY
        found = windows(ts, train, test, anchored=anchored, embargo=embargo)
        for one in found:
            inside = ts[(ts >= one.train_from) & (ts < one.train_to)]
            outside = ts[(ts >= one.test_from) & (ts < one.test_to)]
            assert len(inside)
            assert len(outside)
            between = ts[(ts > inside[-1]) & (ts < outside[0])]
            assert len(between) == embargo
            assert one.train_from == (ts[0] if anchored else one.test_from - train)
        for one, two in pairwise(found):
            assert one.test_to == two.test_from
        assert 2 * (found[-1].test_to - found[-1].test_from) >= test


def test_a_fold_by_hand():
    ts = np.arange(100) * DAY
    assert windows(ts, 30 * DAY, 20 * DAY, embargo=2) == [
        Window(0, 28 * DAY, 30 * DAY, 50 * DAY),
        Window(20 * DAY, 48 * DAY, 50 * DAY, 70 * DAY),
        Window(40 * DAY, 68 * DAY, 70 * DAY, 90 * DAY),
        Window(60 * DAY, 88 * DAY, 90 * DAY, 100 * DAY),
    ]
    assert len(windows(ts[:99], 30 * DAY, 20 * DAY)) == 3, "nine of twenty days are under half"


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"train_ms": 200 * DAY}, "train"), ({"embargo": -1}, "embargo"), ({"embargo": 40}, "embargo"),
        ({"test_ms": 1}, "test"), ({"ts": np.empty(0, np.int64)}, "from"),
    ],
)  # fmt: skip
def test_windows_that_cannot_be_are_refused(options, field):
    given = {"ts": np.arange(100) * DAY, "train_ms": 30 * DAY, "test_ms": 20 * DAY, **options}
    with pytest.raises(InputError) as refused:
        windows(**given)
    assert refused.value.field == field


@pytest.mark.parametrize(("text", "ms"), [("365d", 365 * DAY), ("2w", 14 * DAY), (" 48h", 2 * DAY)])
def test_lengths_are_read(text, ms):
    assert read_span(text, field="train") == ms


@pytest.mark.parametrize("text", ["0d", "d", "5", "5m", "-5d", "1.5d", "9999999d", None])
def test_what_is_no_length_is_refused(text):
    with pytest.raises(InputError, match="such as 365d"):
        read_span(text, field="train")


def test_a_walk_of_too_many_folds_is_refused_before_it_is_laid_out(monkeypatch):
    monkeypatch.setattr(module, "MOST_WINDOWS", 5)
    short = partial(windows, np.arange(100) * DAY, 10 * DAY)
    with pytest.raises(InputError, match="over 5 folds"):
        short(2 * DAY)
    assert short(30 * DAY)
