"""Every error that is ours to raise, as one tree.

::

    CryptaiError
    ├── InputError            what a person gave cannot be used (CLI exit 2, HTTP 400)
    │   ├── UnknownName       no strategy, parameter, symbol … of that name; carries the near ones
    │   ├── DataError         candles that are not candles, with the row where it shows
    │   └── ConflictError     it contradicts what is stored already
    ├── WorkspaceError        the workspace is in use, of a newer version, or cannot be written (exit 2)
    ├── SourceError           a venue did not answer, or not as agreed; `permanent` says whether to retry
    └── LimitExceeded         a user's strategy used more time or memory than it may

A message is one sentence with the value in it and the way out. `field` names the option or
form field that is to blame, in the spelling of the command (`stop`, `from`, `param.fast`).
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_LONGEST_NAME = 60


class CryptaiError(Exception):
    """The root: catch this to catch everything the package raises on purpose.

    Each of them goes from one process to another as it is, whatever it was made of.
    """

    def __reduce__(self) -> tuple[Callable[..., CryptaiError], tuple[Any, ...]]:
        return _made_again, (type(self), self.args, self.__dict__)


def _made_again(cls: type[CryptaiError], args: tuple[Any, ...], told: dict[str, Any]) -> CryptaiError:
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(told)
    return error


class InputError(CryptaiError, ValueError):
    """What a person gave cannot be used; nothing was changed."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class UnknownName(InputError):
    """No such strategy, parameter, timeframe, symbol …; the message offers the near names."""

    def __init__(self, kind: str, name: str, known: Iterable[str], *, field: str | None = None) -> None:
        known = sorted(known)
        name = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
        near = get_close_matches(name.lower(), known, n=3, cutoff=0.5)
        if near:
            way_out = f"did you mean {' or '.join(near)}?"
        elif known:
            way_out = f"known are: {', '.join(known)}."
        else:
            way_out = "none is known yet."
        super().__init__(f"There is no {kind} named {name!r}; {way_out}", field=field)
        self.name = name
        self.near = near


class DataError(InputError):
    """Candles that are not candles: the message names the row, the column and the value."""


class ConflictError(InputError):
    """It contradicts what is stored already, and was not told to replace it."""


class WorkspaceError(CryptaiError):
    """The workspace is in use by another server, of a newer version, or cannot be written."""


class SourceError(CryptaiError):
    """A venue did not answer, or answered otherwise than agreed.

    `permanent` is true when asking again cannot help (451: not served in this country); `answered` when the
    venue itself said that it cannot answer now (429, 503): it is there. `pause_s` is how long it wants not to
    be asked, in seconds, where it told; 0 otherwise.
    """

    def __init__(
        self, message: str, *, permanent: bool = False, answered: bool = False, pause_s: float = 0.0
    ) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.answered = answered
        self.pause_s = pause_s


class LimitExceeded(CryptaiError):
    """A user's strategy used more time or memory than it may."""
