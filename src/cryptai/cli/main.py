"""The command's front door: its verbs, its version, and how every failure ends.

===========================================  ======================================  ====
what happened                                what is printed                         exit
===========================================  ======================================  ====
all well                                     the answer, on stdout                      0
a person's input, the machine, a venue       one sentence on stderr, also with --json   2
our own mistake                              one sentence with the log file's path      1
`doctor` or `check` found something          the answer, on stdout                      1
Ctrl-C                                       nothing                                  130
the reader went away (`cryptai … | head`)    nothing                                  141
===========================================  ======================================  ====

A verb lives in a module of this folder, has `register(app)`, and imports what is heavy inside its
functions, so that `cryptai --help` answers at once.
"""

from __future__ import annotations

import errno
import os
import sys
from functools import cache
from typing import TYPE_CHECKING, Annotated

import typer

from cryptai.cli import (
    backtest,
    backup,
    check,
    compare,
    data,
    doctor,
    features,
    job,
    owner,
    report,
    runs,
    signals,
    strategies,
    strategy,
    sweep,
    symbols,
    up,
    verify,
    walkforward,
)
from cryptai.errors import CryptaiError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typer.core import TyperGroup

# In the order of `cryptai --help`: the way a person first walks it.
_VERBS = (
    up,
    data,
    symbols,
    features,
    strategies,
    strategy,
    check,
    backtest,
    runs,
    report,
    verify,
    sweep,
    walkforward,
    compare,
    signals,
    job,
    owner,
    doctor,
    backup,
)

# What the machine refuses for reasons a person can mend; any other OSError is a mistake of ours.
_MACHINE = {
    errno.EACCES, errno.EDQUOT, errno.EEXIST, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOENT,
    errno.ENOSPC, errno.ENOTDIR, errno.EPERM, errno.EROFS,
}  # fmt: skip


def main(args: Sequence[str] | None = None) -> int:
    """Run the command on `args` (default: those of the process) and return its exit status."""
    arguments = list(sys.argv[1:] if args is None else args)
    try:
        status = _run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # What is still buffered would fail once more at the interpreter's end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return status


@cache
def application() -> TyperGroup:
    """Return the command with all its verbs, made once in a process: that takes longer than most verbs."""
    app = typer.Typer(
        name="cryptai",
        help="Honest backtests, ranked signals and a trading desk for crypto, on your own machine.",
        epilog="Everything is kept in one folder: workspace/ here, or CRYPTAI_HOME. "
        "First steps: `cryptai up`, or `cryptai data import FILE…` and `cryptai backtest ema_trend`.",
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(_bare)
    for module in _VERBS:
        module.register(app)
    return typer.main.get_group(app)


def _run(arguments: list[str]) -> int:
    try:
        command = application()
        with command.make_context("cryptai", list(arguments)) as context:
            command.invoke(context)
    except typer.Exit as exit_:
        return exit_.exit_code
    except typer.Abort:
        return 130
    except (KeyboardInterrupt, BrokenPipeError):
        raise
    except Exception as error:  # noqa: BLE001 (the last net: whatever slips through is told, and logged)
        return _tell(error, arguments)
    return 0


def _tell(error: Exception, arguments: list[str]) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":  # `cryptai data`; Typer does not export the class
        print(error)
        return 0
    if isinstance(error, typer.TyperException):
        return _refuse(error.format_message())
    if isinstance(error, CryptaiError):
        return _refuse(str(error))
    if isinstance(error, OSError) and error.errno in _MACHINE:
        return _refuse(f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror}.")
    return _confess(error, arguments)


def _bare(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", is_eager=True)
    ] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        print(f"cryptai {installed('cryptai')}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())


# One sentence on one line, whatever line breaks the message came with.
def _refuse(message: str) -> int:
    print(f"cryptai: {' '.join(message.split())}", file=sys.stderr)
    return 2


def _confess(error: Exception, arguments: list[str]) -> int:
    from cryptai.cli.crash import write_crash

    try:
        where = f"the details are in {write_crash(error, arguments)}"
    except OSError as refused:
        where = f"and its details could not be written ({refused.strerror})"
    print(
        f"cryptai: this is a mistake of ours, not of yours ({type(error).__name__}); {where}.",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
