"""Lookouts abreast: few markets are looked at by this process, many by one beside it for each core.

A look at hundreds of markets is a second of plain Python: here it would hold up all else that this process
does, and one core alone does not manage it in time. The processes beside it open the same workspace, share
the symbols between them, answer questions on a pipe, and end when that is closed, however this process came
to its end. One that dies is begun anew.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptai import seams
from cryptai.errors import CryptaiError
from cryptai.market.opening import open_store
from cryptai.pipe import End, pipe
from cryptai.screening.evidence import unlooked
from cryptai.screening.looked_up import LookedUp
from cryptai.screening.lookout import Lookout
from cryptai.screening.present import Look
from cryptai.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cryptai.market.store import CandleStore

MANY: Final = 200
"""Series from which on it is worth while to have processes beside this one."""
_MOST: Final = 4
_END: Final = object()
_log = logging.getLogger(__name__)


class Abreast:
    """All lookouts of one venue. One thread looks; another may look up evidence meanwhile.

    Until evidence was looked up, what is found has no cards, and nothing counts as decided; then everything
    is found anew. So it is after a look that failed.
    """

    def __init__(
        self,
        workspace: Workspace,
        store: CandleStore,
        exchange: str,
        *,
        names: Sequence[str] | None = None,
        since_ms: int | None = None,
    ) -> None:
        self._workspace, self._store, self._exchange, self._names = workspace, store, exchange, names
        self._here: _Seat | None = _Seat(store, exchange, names, (0, 1), since_ms)
        self._beside: list[_Beside] = []
        self._looked_up: LookedUp | None = None

    def look(self) -> Look:
        """Look at what was written since; see `Lookout.look`."""
        if self._here is not None and len(self._store.changed(self._exchange, 0)[1]) >= MANY:
            count = min(_MOST, len(os.sched_getaffinity(0)))
            since_ms, carded, self._here = self._here.since_ms, self._here.carded, None
            self._beside = [
                _Beside(self._workspace, self._exchange, self._names, (i, count), since_ms, carded=carded)
                for i in range(count)
            ]
        if self._here is None:
            return self._look_beside()
        looked_up, self._looked_up = self._looked_up, None
        if looked_up is not None:
            self._here.take(looked_up)
        return self._here.look()

    def _look_beside(self) -> Look:
        for one in self._beside:
            one.ask("look")
        # All are heard before any failure is told: an answer left in its pipe would be taken for the next.
        answers = [one.answer() for one in self._beside]
        for failure in answers:
            if isinstance(failure, CryptaiError):
                for one in self._beside:
                    one.anew = True
                raise failure
        first, *others = [look for look in answers if isinstance(look, Look)]
        for look in others:
            first = first.beside(look)
        return first

    def look_up(self) -> None:
        """Bring the evidence up to date; later looks use it. It may take minutes."""
        if self._here is not None:
            looked_up = LookedUp(self._workspace, self._store, self._exchange, self._names)
            looked_up.make()
            for _ in looked_up.warm():
                pass
            self._looked_up = looked_up
            return
        maker = _Beside(self._workspace, self._exchange, self._names, (0, 1), None)
        try:
            maker.ask("make")
            failure = maker.answer()
        finally:
            maker.close()
        if isinstance(failure, CryptaiError):
            raise failure
        for one in self._beside:
            one.renew = True

    def processes(self) -> list[int]:
        """Return the numbers of the processes beside this one."""
        return [one.pid for one in self._beside]

    def close(self) -> None:
        """End what runs beside this process."""
        for one in self._beside:
            one.close()


class _Seat:
    """A lookout, and whether it has evidence yet."""

    def __init__(
        self,
        store: CandleStore,
        exchange: str,
        names: Sequence[str] | None,
        share: tuple[int, int],
        since_ms: int | None,
    ) -> None:
        self._lookout = Lookout(
            store, exchange, evidence=unlooked, names=names, since_ms=since_ms, share=share
        )
        self.since_ms = since_ms
        self.carded = False

    def look(self) -> Look:
        now = seams.now_ms()
        try:
            look = self._lookout.look(now)
        except BaseException:
            # What it had found already was told to nobody.
            self.begin_anew()
            raise
        if not self.carded:
            return look._replace(decided=[])
        self.since_ms = now
        return look

    def take(self, looked_up: LookedUp) -> None:
        self._lookout.evidence = looked_up.evidence
        if not self.carded:
            self.carded = True
            self.begin_anew()

    def begin_anew(self) -> None:
        self._lookout.begin_anew(self.since_ms)


class _Beside:
    """A process beside this one, as this one has it."""

    def __init__(
        self, workspace: Workspace, exchange: str, names: Sequence[str] | None, share: tuple[int, int],
        since_ms: int | None, *, carded: bool = False,
    ) -> None:  # fmt: skip
        self._begun = (str(workspace.root), exchange, names, share)
        self._since_ms = since_ms
        self._asked: list[str] = []
        # Whether evidence lies ready that it was not told of; whether what it found before was lost.
        self.renew, self.anew = carded, False
        self._start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, what: str) -> None:
        """Ask for something; `answer` is to be called before the next question."""
        first = [name for name in ("renew", "anew") if getattr(self, name)]
        self._asked, self._moment = [*first, what], seams.now_ms()
        self.renew = self.anew = False
        with suppress(OSError):
            # Where it has died, the answer will tell.
            self._pipe.send(self._asked)

    def answer(self) -> Look | CryptaiError | None:
        """Return the answer, or the error that there was; one that has died is begun anew and asked again."""
        try:
            told = self._pipe.receive()
        except (CryptaiError, EOFError, OSError):
            _log.warning(
                "A process that looks at the markets of %s has died; it is begun anew.", self._begun[1]
            )
            self.close()
            self._start()
            try:
                self._pipe.send(["renew", *self._asked])
                told = self._pipe.receive()
            except (CryptaiError, EOFError, OSError):
                return CryptaiError("The process that looks at the markets died twice; the log says of what.")
        if told["carded"]:
            self._since_ms = self._moment
        if told["error"] is not None:
            return CryptaiError(told["error"])
        return None if told["look"] is None else Look.of(told["look"])

    def close(self) -> None:
        """End it."""
        self._pipe.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self._process.kill()
        self._process.wait()

    def _start(self) -> None:
        self._pipe, theirs = pipe()
        number = theirs.fileno()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "cryptai.screening.abreast", str(number)],
            pass_fds=[number], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        theirs.close()
        self._pipe.send((*self._begun, self._since_ms))


def _serve(end: End) -> None:
    """Answer questions until the pipe is closed; warm new evidence while nobody asks."""
    root, exchange, names, share, since_ms = end.receive()
    workspace = Workspace(Path(root))
    store = open_store(workspace)
    seat = _Seat(store, exchange, names, share, since_ms)
    looked_up: LookedUp | None = None
    steps: Iterator[None] = iter(())
    while True:
        while looked_up is not None and not end.poll():
            if next(steps, _END) is _END:
                seat.take(looked_up)
                looked_up = None
        asked = end.receive()
        look, error = None, None
        try:
            if "renew" in asked:
                looked_up = LookedUp(workspace, store, exchange, names)
                steps = looked_up.warm()
            if "anew" in asked:
                seat.begin_anew()
            if "look" in asked:
                look = seat.look()
                # What is found without cards is found anew when there are some: soon.
                look = look._replace(waits=look.waits or (looked_up is not None and not seat.carded))
            elif "make" in asked:
                LookedUp(workspace, store, exchange, names).make()
        except CryptaiError as failure:
            error = str(failure)
        except Exception:  # noqa: BLE001 (whatever it was, the next look may go well)
            _log.exception("Looking at the markets of %s failed.", exchange)
            error = "The scan failed; the server's log says why."
        end.send({"look": None if look is None else look.as_object(), "error": error, "carded": seat.carded})


def main() -> None:
    """Serve on the end of a pipe whose number stands on the command line."""
    with suppress(EOFError, OSError):
        _serve(End(int(sys.argv[1])))


if __name__ == "__main__":
    main()
