"""Conditions as bits, 64 rows a word: comparisons of lines, what holds of them together, where it begins."""

from __future__ import annotations

from typing import Any

import numpy as np

from cryptai.features.shared import ABOVE, BELOW, CROSSES_BELOW
from cryptai.jit import njit

# Words compared together, so that the lines' rows stay in the processor's cache.
_TILE = 32
_NONE, _ONE, _ALL = np.uint64(0), np.uint64(1), np.uint64(0xFFFFFFFFFFFFFFFF)
_LAST = np.uint64(63)
# Position of the one bit of a 32-bit number, by a de Bruijn sequence (Leiserson, Prokop and Randall 1998).
_HALF, _HALF_BITS, _SEQUENCE = np.uint64(0xFFFFFFFF), np.uint64(32), np.uint64(0x077CB531)
_TOP = np.uint64(27)
_POSITION = np.array(
    [0, 1, 28, 2, 29, 14, 24, 3, 30, 22, 20, 15, 25, 17, 4, 8, 31, 27, 13, 23, 21, 19, 16, 7, 26, 12, 18, 6,
     11, 5, 10, 9]
)  # fmt: skip


@njit
def compare(lines: Any, n: int, pairs: Any, words: Any, width: int) -> None:
    """Write for each pair of lines the bits of its rows: where the first is above, and where below.

    `pairs` holds three numbers a pair: the two lines, and the first row on which both have a value.
    """
    for begin in range(0, width, _TILE):
        for p in range(len(pairs) // 3):
            a, b = pairs[3 * p] * n, pairs[3 * p + 1] * n
            at = 2 * p * width
            for w in range(begin, min(begin + _TILE, width)):
                above, below = _NONE, _NONE
                if 64 * w + 64 <= n:
                    # Unsigned: an index that could be negative keeps the loop from being vectorised.
                    of_a, of_b = np.uint64(a + 64 * w), np.uint64(b + 64 * w)
                    for k in range(64):
                        x, y = lines[of_a + np.uint64(k)], lines[of_b + np.uint64(k)]
                        above |= np.uint64(x > y) << np.uint64(k)
                        below |= np.uint64(x < y) << np.uint64(k)
                else:
                    for k in range(n - 64 * w):
                        x, y = lines[a + 64 * w + k], lines[b + 64 * w + k]
                        above |= np.uint64(x > y) << np.uint64(k)
                        below |= np.uint64(x < y) << np.uint64(k)
                words[at + w] = above
                words[at + width + w] = below


@njit
def condition(words: Any, width: int, pairs: Any, terms: Any, out: Any, at: int) -> bool:
    """Write the rows on which all terms hold (pair and kind, each), if there are any.

    Return whether it may hold on two rows in a row: with a cross among the terms it cannot.
    """
    states = len(terms) > 0
    for k in range(len(terms) // 2):
        pair, how = terms[2 * k], terms[2 * k + 1]
        falls = how in (BELOW, CROSSES_BELOW)
        rows = (2 * pair + (1 if falls else 0)) * width
        if how in (ABOVE, BELOW):
            for w in range(width):
                out[at + w] = words[rows + w] if k == 0 else out[at + w] & words[rows + w]
            continue
        states = False
        first, carried = pairs[3 * pair + 2], _NONE
        for w in range(width):
            here = words[rows + w]
            # The row before may be anything but this, and not unknown.
            known = _ALL if first <= 64 * w else _ALL << np.uint64(first - 64 * w)
            if first >= 64 * w + 64:
                known = _NONE
            not_yet = ~here & known
            here &= (not_yet << _ONE) | carried
            out[at + w] = here if k == 0 else out[at + w] & here
            carried = not_yet >> _LAST
    return states


@njit
def only_new(out: Any, at: int, width: int, first: int) -> None:
    """Keep of an entry's rows those that begin it; the first row of the range begins whatever it says."""
    word, bit = at + (first >> 6), _ONE << np.uint64(first & 63)
    begins = out[word] & bit
    carried = _NONE
    for w in range(at, at + width):
        here = out[w]
        out[w] = here & ~((here << _ONE) | carried)
        carried = here >> _LAST
    out[word] |= begins


@njit
def overlap(words: Any, at: int, width: int) -> bool:
    """Say whether some row is in the first condition and in that which begins at `at`."""
    both = _NONE
    for w in range(width):
        both |= words[w] & words[at + w]
    return bool(both != _NONE)


@njit
def next_row(words: Any, at: int, row: int, n: int) -> Any:
    """Return the first row from `row` on whose bit is set, or n."""
    if row >= n:
        return n
    w = row >> 6
    here = words[at + w] & (_ALL << np.uint64(row & 63))
    last = (n + 63) >> 6
    while here == _NONE:
        w += 1
        if w >= last:
            return n
        here = words[at + w]
    half, base = here & _HALF, 64 * w
    if half == _NONE:
        half, base = here >> _HALF_BITS, base + 32
    lowest = half & (~half + _ONE)
    return min(n, base + _POSITION[np.int64(((lowest * _SEQUENCE) & _HALF) >> _TOP)])
