"""Waiting lines in flat arrays, for kernels: which of many waiting prices a bar has reached.

A line is a stack with rising keys, beside a binary heap for what does not fit on top of it. What waits
nearest to the price came last, mostly, so that the stack serves it at once; at worst the heap takes
`log n` steps. Several lines share two arrays, `2 × room` places each, and `sizes`, two a line.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cryptai.kernels import part

if TYPE_CHECKING:
    from cryptai.kernels import Floats, Ints


@part
def before(keys: Floats, items: Ints, a: int, b: int) -> bool:
    """Return whether entry `a` leaves before `b`: the higher key, then the older item."""
    first: bool = keys[a] > keys[b] or (keys[a] == keys[b] and items[a] < items[b])
    return first


@part
def push(keys: Floats, items: Ints, sizes: Ints, line: int, room: int, key: float, item: int) -> None:
    """Put an item into a line."""
    base = 2 * line * room
    size = sizes[2 * line]
    if size == 0 or key > keys[base + size - 1]:
        keys[base + size], items[base + size] = key, item
        sizes[2 * line] = size + 1
        return
    base += room
    i = sizes[2 * line + 1]
    sizes[2 * line + 1] = i + 1
    keys[base + i], items[base + i] = key, item
    while i > 0:
        parent = (i - 1) // 2
        if not before(keys, items, base + i, base + parent):
            return
        swap(keys, items, base + i, base + parent)
        i = parent


@part
def highest(keys: Floats, sizes: Ints, line: int, room: int) -> float:
    """Return the highest key in a line; minus infinity where it is empty."""
    base = 2 * line * room
    size = sizes[2 * line]
    best = -math.inf
    if size > 0:
        best = keys[base + size - 1]
    if sizes[2 * line + 1] > 0 and keys[base + room] > best:
        best = keys[base + room]
    return best


@part
def pop(keys: Floats, items: Ints, sizes: Ints, line: int, room: int) -> int:
    """Take the item of the highest key out of a line that is not empty; of equal keys the older item."""
    base = 2 * line * room
    top = base + sizes[2 * line] - 1
    base += room
    if sizes[2 * line + 1] == 0 or (top >= base - room and before(keys, items, top, base)):
        sizes[2 * line] -= 1
        newest: int = items[top]
        return newest
    item: int = items[base]
    last = sizes[2 * line + 1] - 1
    sizes[2 * line + 1] = last
    keys[base], items[base] = keys[base + last], items[base + last]
    i = 0
    while True:
        child = 2 * i + 1
        if child >= last:
            return item
        if child + 1 < last and before(keys, items, base + child + 1, base + child):
            child += 1
        if not before(keys, items, base + child, base + i):
            return item
        swap(keys, items, base + child, base + i)
        i = child


@part
def swap(keys: Floats, items: Ints, a: int, b: int) -> None:
    """Exchange two entries."""
    key, item = keys[a], items[a]
    keys[a], items[a] = keys[b], items[b]
    keys[b], items[b] = key, item
