"""What code says, as a digest: for functions and classes that no file can be asked about.

A cell of a notebook that was changed, a script that was run again with another constant: neither name nor
parameters tell them apart. So the digest is over what a function does (its byte code and constants), what it
closes over, and the names of its module that it reads, functions and classes among them. What comes from
Python, CryptAI or an installed package counts by its name alone.
"""

from __future__ import annotations

import dataclasses
import dis
import hashlib
import sys
from contextlib import suppress
from functools import lru_cache
from types import CodeType, FunctionType, MappingProxyType, ModuleType
from typing import Any, Final

import numpy as np

_INSTALLED: Final = ("site-packages", "dist-packages")
_OUTSIDE: Final = frozenset({*sys.stdlib_module_names, "builtins", "cryptai"})
# What `dataclass` writes itself, from the fields, which are told.
_MADE: Final = frozenset({"__init__", "__repr__", "__eq__", "__hash__", "__setattr__", "__delattr__"})


def written(thing: object) -> str:
    """Return the digest of a function, a class or an object of a class: equal code, equal digest.

    It is that of one version of Python: another one writes other byte code.
    """
    telling = _Telling()
    telling.tell(thing)
    return telling.digest.hexdigest()


class _Telling:
    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self._met: dict[int, int] = {}
        self._kept: list[object] = []  # an id is one's own only as long as one lives

    def tell(self, value: Any) -> None:
        if value is None or isinstance(value, bool | int | float | complex | str | bytes):
            self._say(type(value).__name__, repr(value))
        elif id(value) in self._met:
            self._say("again", str(self._met[id(value)]))
        else:
            self._met[id(value)] = len(self._met)
            self._kept.append(value)
            self._tell_thing(value)

    def _tell_thing(self, value: Any) -> None:
        if isinstance(value, tuple | list):
            self._all(type(value).__name__, value)
        elif isinstance(value, set | frozenset):
            # Their order is that of the process's hash seed.
            self._say("set", *sorted(written(one) for one in value))
        elif isinstance(value, dict | MappingProxyType):
            self._all("dict", [part for item in value.items() for part in item])
        elif isinstance(value, np.ndarray):
            self._say("array", str(value.dtype), str(value.shape))
            self.digest.update(np.ascontiguousarray(value).tobytes())
        elif isinstance(value, ModuleType):
            self._say("module", value.__name__)
        else:
            self._tell_code(value)

    def _tell_code(self, value: Any) -> None:
        if isinstance(value, CodeType):
            named = value.co_varnames[: value.co_argcount + value.co_kwonlyargcount]
            self._say("code", value.co_code.hex(), *value.co_names, *named)
            self._all("constants", value.co_consts)
        elif isinstance(value, FunctionType):
            self._function(value)
        elif isinstance(value, staticmethod | classmethod):
            self.tell(value.__func__)
        elif isinstance(value, property):
            self._all("property", (value.fget, value.fset))
        elif isinstance(value, type):
            self._class(value)
        else:
            self._object(value)

    def _all(self, kind: str, values: Any) -> None:
        self._say(kind, str(len(values)))
        for one in values:
            self.tell(one)

    def _say(self, *words: str) -> None:
        for word in words:
            self.digest.update(f"{len(word)}:{word}\n".encode("utf-8", "surrogatepass"))

    def _function(self, function: FunctionType) -> None:
        if _from_elsewhere(function):
            self._say("function", f"{function.__module__}.{function.__qualname__}")
            return
        self.tell(function.__code__)
        self._all("defaults", (function.__defaults__, function.__kwdefaults__))
        for cell in function.__closure__ or ():
            with suppress(ValueError):  # it is not filled yet
                self.tell(cell.cell_contents)
        for name in sorted(_read(function.__code__)):
            if name in function.__globals__:
                self._say("reads", name)
                self.tell(function.__globals__[name])

    def _class(self, cls: type[Any]) -> None:
        self._say("class", cls.__qualname__)
        if _from_elsewhere(cls):
            self._say(cls.__module__)
            return
        self._all("bases", cls.__bases__)
        made = frozenset[str]()
        if dataclasses.is_dataclass(cls):
            made = _MADE
            for field in dataclasses.fields(cls):
                self._all("field", (field.name, str(field.type), field.default, field.metadata))
        for name, value in sorted(vars(cls).items()):
            own = isinstance(value, FunctionType) if name.startswith("__") else True
            if own and name not in made:
                self._say("has", name)
                self.tell(value)

    def _object(self, value: Any) -> None:
        kind = type(value)
        self._say("object", f"{kind.__module__}.{kind.__qualname__}")
        # A compiled function stands for the one it was made of.
        for name in ("function", "py_func", "__wrapped__", "func"):
            if isinstance(inner := getattr(value, name, None), FunctionType):
                self.tell(inner)
                return
        if not _from_elsewhere(kind):
            self.tell(kind)
        if hasattr(value, "__dict__"):
            self.tell(vars(value))
            return
        with suppress(Exception):  # what cannot be told so is told by its class
            made_of = value.__reduce_ex__(4)
            # The last two are iterators over what it holds.
            self.tell([made_of[:3], *(list(items) for items in made_of[3:5] if items is not None)])


def _from_elsewhere(thing: Any) -> bool:
    module = thing.__module__ or ""
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    return module.partition(".")[0] in _OUTSIDE or any(name in file for name in _INSTALLED)


# Code never changes, what it reads may: a run asks each time, and this is most of what it takes.
@lru_cache(maxsize=1_000)
def _read(code: CodeType) -> frozenset[str]:
    """Return the names of its module that a piece of code reads, the functions inside it included."""
    found = {one.argval for one in dis.get_instructions(code) if one.opname in {"LOAD_GLOBAL", "LOAD_NAME"}}
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            found |= _read(inner)
    return frozenset(found)
