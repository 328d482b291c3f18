"""All that can be taken away of a run: the files of its folder, all of them in one, and freqtrade's form."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from django.conf import settings

if TYPE_CHECKING:
    from cryptai.web.research.models import Run

_ZIP: Final = "run.zip"
_FREQTRADE: Final = "freqtrade.json"
_MEANING: Final = {
    "report.html": "To read and to print; it needs nothing else.",
    "trades.csv": "One row a trade.",
    "equity.csv": "Equity, drawdown and exposure at the closes.",
    "metrics.json": "The metrics.",
    "report.json": "Months, years, groups and drawdowns.",
    "manifest.json": "What made it: data, code, rules; with their digests.",
    "strategy.py": "Your strategy, as it ran.",
    _FREQTRADE: "The trades as freqtrade lists them.",
    _ZIP: "All of it.",
}


def offered(row: Run) -> list[tuple[str, str]]:
    """Return the names that `content` knows for a run, each with what it is; none for a run of before."""
    from cryptai.research.runs import run_files  # noqa: PLC0415 (the engine waits for the first result)

    files = run_files(settings.WORKSPACE.runs, row.pk)
    return [(name, said) for name, said in _MEANING.items() if files and (name in files or name in _MADE)]


def content(row: Run, name: str) -> bytes | None:
    """Return a file of a completed run; None for a name that is not offered. Nothing is written beside it."""
    from cryptai.research.runs import run_files, zip_run  # noqa: PLC0415

    files = run_files(settings.WORKSPACE.runs, row.pk)
    if not files:
        return None
    if name not in _MADE:
        return files[name].read_bytes() if name in files else None
    with TemporaryDirectory(prefix="cryptai-download-") as folder:
        file = Path(folder, name)
        if name == _ZIP:
            zip_run(row.folder, file)
        else:
            from cryptai.analytics.freqtrade_trades import write_freqtrade  # noqa: PLC0415

            found = row.result()
            write_freqtrade(file, found, found["trades"])
        return file.read_bytes()


_MADE: Final = (_FREQTRADE, _ZIP)
