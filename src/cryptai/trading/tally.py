"""What the metrics need of a run's trades: counts, and sums in the order in which NumPy takes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from cryptai.jit import njit

# Four numbers for each halving of a sum.
STACK = 256


@njit
def eight_sums(values: Any, begin: int, n: int) -> Any:
    """Sum at most 128 numbers as NumPy does: eight sums side by side."""
    if n < 8:
        total = -0.0
        for i in range(begin, begin + n):
            total += values[i]
        return total
    a, b, c, d = values[begin], values[begin + 1], values[begin + 2], values[begin + 3]
    e, f, g, h = values[begin + 4], values[begin + 5], values[begin + 6], values[begin + 7]
    whole = n - n % 8
    for i in range(begin + 8, begin + whole, 8):
        a += values[i]
        b += values[i + 1]
        c += values[i + 2]
        d += values[i + 3]
        e += values[i + 4]
        f += values[i + 5]
        g += values[i + 6]
        h += values[i + 7]
    total = ((a + b) + (c + d)) + ((e + f) + (g + h))
    for i in range(begin + whole, begin + n):
        total += values[i]
    return total


@njit
def pairwise(values: Any, n: int, stack: Any) -> Any:
    """Sum as NumPy does, in the same order: halves of eights until there are at most 128.

    `stack` has four numbers for each halving; a function that calls itself cannot be kept as object code.
    """
    begin, depth = 0, 0
    while True:
        while n > 128:
            half = n // 2
            half -= half % 8
            stack[depth], stack[depth + 1], stack[depth + 2] = begin + half, n - half, 0.0
            depth += 4
            n = half
        total = eight_sums(values, begin, n)
        while depth > 0 and stack[depth - 2] != 0.0:
            depth -= 4
            total = stack[depth + 3] + total
        if depth == 0:
            return total
        begin, n = int(stack[depth - 4]), int(stack[depth - 3])
        stack[depth - 2], stack[depth - 1] = 1.0, total


@njit
def tally(trades: Any, count: int, room: Any, stack: Any, out: Any) -> None:
    """Write what the metrics need of the trades; `room` holds five numbers for each there may be."""
    wins = losses = held = shared = 0
    largest = 0.0
    size = len(room) // 5
    pnl, fees, traded = room[:size], room[size : 2 * size], room[2 * size : 3 * size]
    won, lost = room[3 * size : 4 * size], room[4 * size :]
    before = -1
    for i in range(count):
        trade = trades[i]
        held += trade["exit_bar"] - trade["entry_bar"] + 1
        # A trade that leaves at an open and one that enters there share that bar.
        shared += before == trade["entry_bar"]
        before = trade["exit_bar"]
        one = trade["pnl"]
        pnl[i], fees[i] = one, trade["fees"]
        traded[i] = abs(trade["quantity"]) * (trade["entry_price"] + trade["exit_price"])
        largest = max(largest, abs(one))
        if one > 0.0:
            won[wins] = one
            wins += 1
        elif one < 0.0:
            lost[losses] = one
            losses += 1
    out[3], out[4] = pairwise(won, wins, stack), pairwise(lost, losses, stack)
    out[8], out[9] = pairwise(fees, count, stack), pairwise(traded, count, stack)
    total = pairwise(pnl, count, stack)
    mean = total / count if count else 0.0
    for i in range(count):
        pnl[i] = (pnl[i] - mean) * (pnl[i] - mean)
    spread = np.sqrt(pairwise(pnl, count, stack) / (count - 1)) if count > 1 else np.nan
    out[0], out[1], out[2], out[5], out[6], out[7] = count, wins, losses, total, spread, largest
    out[10] = held - shared
