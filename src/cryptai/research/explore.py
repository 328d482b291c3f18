"""Run what a search asks for: what is finished is noted, kept, and not run again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptai.research.finished import Finished
from cryptai.research.trials import OWNER, note

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from threading import Event

    from cryptai.parameters import Value
    from cryptai.research.measured import Bench, Measured
    from cryptai.research.search import Search
    from cryptai.workspace import Workspace

    Runner = Callable[[Bench, Sequence[dict[str, Value]], Event | None], Iterator[list[Measured]]]
    """Measures sets portion by portion, in any order: here, or on a cluster."""


@dataclass(frozen=True)
class Progress:
    """How far a search is: sets finished of all, those refused, the best so far."""

    done: int
    total: int
    skipped: int
    best: Mapping[str, Value] | None
    value: float | None


class Stopped(Exception):
    """The search was stopped; what was finished is kept."""


def explore(
    on: Bench,
    asked: Search,
    first: list[dict[str, Value]],
    workspace: Workspace,
    *,
    objective: str,
    runner: Runner,
    user: str = OWNER,
    progress: Callable[[Progress], object] = lambda _: None,
    stop: Event | None = None,
) -> list[Measured]:
    """Run what a search asks for, `first` being its first portion, and return all in the order asked.

    Each set is noted in the ledger of trials before it is kept as finished.
    """
    finished = Finished(workspace, on)
    results: list[Measured] = []
    best: Measured | None = None
    portion = first
    while portion:
        found = {number: one for number, params in enumerate(portion) if (one := finished.get(params))}
        note(workspace, on.template.strategy, [one.trial for one in found.values()], user=user)
        number_of = {json.dumps(params, sort_keys=True): number for number, params in enumerate(portion)}
        left = [params for number, params in enumerate(portion) if number not in found]
        for some in runner(on, left, stop):
            _keep(some, finished, workspace, on, user)
            found |= {number_of[json.dumps(one.params, sort_keys=True)]: one for one in some}
            best = best_of([*([best] if best else []), *some], objective)
            progress(_progress(len(results) + len(found), asked, best, objective))
        if len(found) < len(portion):
            raise Stopped
        results += [found[number] for number in range(len(portion))]
        asked.tell([one.value(objective) for one in results[-len(portion) :]])
        best = best_of([*([best] if best else []), *results[-len(portion) :]], objective)
        progress(_progress(len(results), asked, best, objective))
        portion = asked.ask()
    return results


def best_of(sets: Sequence[Measured], objective: str) -> Measured | None:
    """Return the set with the best objective, the first of equals; None where it is undefined of all."""
    measured = [(value, one) for one in sets if (value := one.value(objective)) is not None]
    return max(measured, key=lambda pair: pair[0])[1] if measured else None


def _keep(sets: Sequence[Measured], finished: Finished, workspace: Workspace, on: Bench, user: str) -> None:
    if sets:
        note(workspace, on.template.strategy, [one.trial for one in sets], user=user)
        finished.add(sets)


def _progress(done: int, asked: Search, best: Measured | None, objective: str) -> Progress:
    return Progress(
        done, asked.total, asked.skipped, None if best is None else best.params,
        None if best is None else best.metrics[objective],
    )  # fmt: skip
