"""Registry: the files of one folder, and entry points of other packages, by name."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from importlib.metadata import entry_points
from threading import RLock
from typing import TYPE_CHECKING, Generic, TypeVar

from cryptai.errors import UnknownName

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")


class Registry(Generic[T]):
    """Things of one kind by name; adding one is adding a file.

    The folder (a package) is imported on first use, so that a front door stays quick. What its files
    register with `add`, and what other distributions name in the entry-point group
    `cryptai.<kind>`, is then found by `get`, `names` and iteration (sorted by name).
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self.package = package
        self._found: dict[str, T] = {}
        self._loaded = False
        # Loading imports the files, which register themselves by `add`, on this same thread.
        self._loading = RLock()

    def add(self, name: str, thing: T) -> T:
        """Register a thing under its name; a second one of the same name is a programming error.

        What is written at the same place as the one before takes its place: a notebook's cell was run again.
        """
        before = self._found.get(name, thing)
        if before is not thing and (_place(before) is None or _place(before) != _place(thing)):
            kinds = f"{self.kind[:-1]}ies" if self.kind.endswith("y") else f"{self.kind}s"
            raise ValueError(f"Two {kinds} are named {name!r}; rename one of them.")
        self._found[name] = thing
        return thing

    def get(self, name: str, *, field: str | None = None) -> T:
        """Return the thing of that name; raise `UnknownName` with the near ones."""
        if name not in self._found and not self._loaded:
            self._try_file(name)
        if name not in self._found:
            self._load()
        if name not in self._found:
            raise UnknownName(self.kind, name, self._found, field=field)
        return self._found[name]

    def names(self) -> list[str]:
        """Return all names, sorted."""
        self._load()
        return sorted(self._found)

    def __iter__(self) -> Iterator[T]:
        for name in self.names():
            yield self._found[name]

    def __contains__(self, name: object) -> bool:
        try:
            self.get(str(name))
        except UnknownName:
            return False
        return True

    def _try_file(self, name: str) -> None:
        # Most things stand in a file of their name; looking there first spares reading the metadata of
        # every installed distribution.
        if name.isidentifier() and importlib.util.find_spec(f"{self.package}.{name}"):
            importlib.import_module(f"{self.package}.{name}")

    def _load(self) -> None:
        with self._loading:
            if self._loaded:
                return
            package = importlib.import_module(self.package)
            for module in pkgutil.iter_modules(package.__path__):
                if not module.name.startswith("_"):
                    importlib.import_module(f"{self.package}.{module.name}")
            for point in entry_points(group=f"cryptai.{self.kind}"):
                point.load()
            # Said last: another thread that asks meanwhile waits for the whole.
            self._loaded = True


def _place(thing: object) -> tuple[str, str] | None:
    """Return the module and the name under which code is written there; None for what is no code."""
    written = getattr(thing, "function", thing)
    name = getattr(written, "__qualname__", None)
    return None if name is None else (written.__module__, name)
