"""Messages between processes of ours: a JSON text and the bytes of arrays. Nothing that comes can run.

A message is two lengths (8 bytes each, big-endian), then a text, then the arrays' bytes, each from a multiple
of 16 on; where an array stood in what was told, the text says of which type and shape it is and where its
bytes begin. What is no such message is refused by a sentence, whoever sent it.
"""

from __future__ import annotations

import json
import math
import re
import select
import socket
import struct
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptai.errors import CryptaiError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST: Final = 1 << 30
"""Bytes of a message, at most."""
_HEAD: Final = struct.Struct(">QQ")
_AT: Final = 16
_PORTION: Final = 1 << 20
# No key of ours begins so.
_ARRAY: Final = "\0array"
_KIND: Final = re.compile(r"[<>|][biufcmMSU]\d+(\[\d*\w+\])?")


def pipe() -> tuple[End, End]:
    """Return the two ends of a new pipe: what is sent into one comes out of the other."""
    ours, theirs = socket.socketpair()
    return End(ours), End(theirs)


class End:
    """One end of a pipe; one thread sends, one receives.

    Where the other end is closed, `send` raises an `OSError` and `receive` an `EOFError`. Close it after a
    `CryptaiError`: nothing that comes can be understood any more.
    """

    def __init__(self, of: socket.socket | int) -> None:
        # By its number, as a process is given one that it inherits.
        self._socket = of if isinstance(of, socket.socket) else socket.socket(fileno=of)

    def fileno(self) -> int:
        """Return its number."""
        return self._socket.fileno()

    def send(self, told: Any) -> None:
        """Send what JSON takes, with arrays anywhere in it; it waits while the other end reads nothing.

        What arrives is equal, but tuples are lists, keys are texts, and arrays are read-only.

        Raises
        ------
        TypeError
            For what is none of these, such as an array of objects.
        CryptaiError
            If it is longer than `MOST`.
        """
        arrays = _Arrays()
        # What holds itself ends at the depth that Python allows; to look for it costs every message.
        text = json.dumps(told, default=arrays.kept, separators=(",", ":"), check_circular=False).encode()
        if len(text) + arrays.end > MOST:
            raise CryptaiError(f"A message has at most {MOST >> 20} MiB; this one has more.")
        self._socket.sendall(_HEAD.pack(len(text), arrays.end) + text)
        for array in arrays.there:
            self._socket.sendall(array.reshape(-1).view(np.uint8).data)
            self._socket.sendall(bytes(_behind(array)))

    def receive(self) -> Any:
        """Return the next thing that was sent, as soon as it is here.

        Raises
        ------
        EOFError
            If the other end was closed before it was sent whole.
        CryptaiError
            For what no `send` has sent.
        """
        length, behind = _HEAD.unpack(self._read(_HEAD.size))
        if length + behind > MOST:
            raise CryptaiError(
                f"A message has at most {MOST >> 20} MiB; this one says {length + behind} bytes."
            )
        text, body = self._read(length), self._read(behind)
        try:
            return json.loads(text, object_hook=_Found(body) if body else None)
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            raise CryptaiError(f"What came is no message ({error}).") from error

    def poll(self, seconds: float | None = 0.0) -> bool:
        """Return whether there is something to receive, or the end, within a time; None waits for ever."""
        asked = select.poll()
        asked.register(self._socket, select.POLLIN)
        return bool(asked.poll(None if seconds is None else math.ceil(seconds * 1e3)))

    def close(self) -> None:
        """Close it: the other end meets the end of what was sent."""
        self._socket.close()

    def _read(self, length: int) -> bytes:
        # Memory grows with what comes, not with what was announced.
        parts = []
        while length:
            part = self._socket.recv(min(length, _PORTION))
            if not part:
                raise EOFError("The other end of the pipe is closed.")
            parts.append(part)
            length -= len(part)
        return b"".join(parts)


class _Arrays:
    """The arrays of a message that is written, in the order they were met."""

    def __init__(self) -> None:
        self.there: list[NDArray[Any]] = []
        self.end = 0

    def kept(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, np.ndarray):
            raise TypeError(f"JSON and arrays go through a pipe, not {type(value).__name__}.")
        array = np.asarray(value, order="C")
        told = {_ARRAY: [_told(array.dtype), array.shape, self.end]}
        self.there.append(array)
        self.end += array.nbytes + _behind(array)
        return told


class _Found:
    """Puts the arrays of a message that is read where they stood."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def __call__(self, told: dict[str, Any]) -> Any:
        if _ARRAY not in told:
            return told
        kind, shape, at = told[_ARRAY]
        array: NDArray[Any] = np.frombuffer(self._body, _kind(kind), math.prod(shape), at)
        return array.reshape(shape)


def _behind(array: NDArray[Any]) -> int:
    # Never none: a message with arrays has bytes behind its text, also where they are empty.
    return _AT - array.nbytes % _AT


def _told(kind: np.dtype[Any]) -> Any:
    names = kind.names or ()
    told = [[name, kind[name].str] for name in names] if names else kind.str
    try:
        if _kind(told) == kind:
            return told
    except ValueError:
        pass
    raise TypeError(f"Arrays of numbers, times and texts go through a pipe, not of {kind}.")


def _kind(told: Any) -> np.dtype[Any]:
    if isinstance(told, list):
        return np.dtype([(str(name), _kind(of)) for name, of in told])
    if not _KIND.fullmatch(told):
        raise ValueError(f"{told!r} is no type of an array")
    found: np.dtype[Any] = np.dtype(told)
    return found
