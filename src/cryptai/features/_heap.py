"""A binary heap in flat arrays, for kernels: which of many waiting prices a bar has reached."""

from __future__ import annotations

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
def swap(keys: Floats, items: Ints, a: int, b: int) -> None:
    """Exchange two entries."""
    key, item = keys[a], items[a]
    keys[a], items[a] = keys[b], items[b]
    keys[b], items[b] = key, item


@part
def push(keys: Floats, items: Ints, sizes: Ints, heap: int, room: int, key: float, item: int) -> None:
    """Put an item into one of several heaps that share two arrays, `room` places each."""
    base = heap * room
    i = sizes[heap]
    sizes[heap] = i + 1
    keys[base + i], items[base + i] = key, item
    while i > 0:
        parent = (i - 1) // 2
        if not before(keys, items, base + i, base + parent):
            return
        swap(keys, items, base + i, base + parent)
        i = parent


@part
def pop(keys: Floats, items: Ints, sizes: Ints, heap: int, room: int) -> int:
    """Take the item of the highest key out of a heap that is not empty."""
    base = heap * room
    item: int = items[base]
    last = sizes[heap] - 1
    sizes[heap] = last
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
