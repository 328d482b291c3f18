"""The options that every search has beside those of a run: its sets, and who runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cryptai.cli.numbers import with_options_of
from cryptai.cli.run_options import with_run

if TYPE_CHECKING:
    from collections.abc import Callable


def with_search(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb that takes `**options` those of every search, and those of every run."""
    return with_run(with_options_of(verb, _every_search))


def _every_search(
    param: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUES",
            help="A parameter's values: from:to:step (both ends included), a,b,c or one; repeatable.",
        ),
    ] = None,
    method: Annotated[str, typer.Option(metavar="NAME", help="grid, random or tpe (Optuna).")] = "grid",
    trials: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="Sets of a random or guided search [200].")
    ] = None,
    seed: Annotated[str, typer.Option(metavar="NUMBER", help="Of what is drawn at random.")] = "0",
    objective: Annotated[
        str,
        typer.Option(metavar="NAME", help="The metric to choose by, such as total_return or calmar_ratio."),
    ] = "sharpe_ratio",
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=1024, help="Sets run at a time [as many as there are cores]."),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Run the sets on this Ray cluster: host:port, or auto."),
    ] = None,
) -> None:
    """Declare them; nobody calls this."""
    del param, method, trials, seed, objective, workers, cluster
