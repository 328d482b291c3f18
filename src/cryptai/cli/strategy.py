"""`cryptai strategy new|list|check`: write a strategy of one's own, list all, judge one."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from cryptai.cli.check import check
from cryptai.cli.options import Json
from cryptai.cli.strategies import strategies


def register(app: typer.Typer) -> None:
    """Add the verbs; `list` and `check` are `cryptai strategies` and `cryptai check`."""
    strategy = typer.Typer(help="Strategies: write one, list them, check one.", no_args_is_help=True)
    strategy.command("new", epilog="Example: cryptai strategy new my_idea")(new)
    strategy.command("list", epilog="Example: cryptai strategy list --json")(strategies)
    strategy.command("check", epilog="Example: cryptai strategy check my_idea")(check)
    app.add_typer(strategy, name="strategy")


def new(
    name: Annotated[str, typer.Argument(help="The strategy's name, such as my_idea.")], json_: Json = False
) -> None:
    """Write a strategy file that runs, with its test beside it, into the workspace.

    The file holds the parts a strategy can have, typed and explained; change it into your own. A name that is
    taken is refused, and nothing is written over.
    """
    from cryptai.strategies.new import free_files, write_new
    from cryptai.workspace import open_workspace

    # A name that is refused makes no workspace.
    free_files(name, open_workspace(create=False).strategies)
    file, test = write_new(name, open_workspace().strategies)
    if json_:
        print(json.dumps({"name": name, "file": str(file), "test": str(test)}))
        return
    print(f"{file} is a strategy that runs; change it into your own.")
    print(f"  cryptai check {name}                 whether it can be believed")
    print(f"  cryptai backtest {name} --symbol …   what it would have earned")
    print(f"  python -m pytest {test}")
