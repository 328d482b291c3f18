"""What every feature declares: parameters, warm-up, memory; and the registry of all of them by name."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from cryptai.parameters import Parameter, read_all
from cryptai.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cryptai.parameters import Value


class Within(NamedTuple):
    """The allowed range of a numeric parameter, both ends included, and what it means."""

    low: float
    high: float
    meaning: str


class OneOf(NamedTuple):
    """The allowed texts of a parameter, and what it means."""

    choices: tuple[str, ...]
    meaning: str


class Flag(NamedTuple):
    """A parameter that is true or false, and what it means."""

    meaning: str


def within(low: float, high: float, meaning: str) -> Any:
    """Declare a numeric parameter: `period=within(2, 100_000, "bars in the window")`."""
    return Within(low, high, meaning)


def one_of(*choices: str, meaning: str) -> Any:
    """Declare a parameter that is one of a few texts: `by=one_of("close", "wick", meaning="…")`."""
    return OneOf(choices, meaning)


def flag(meaning: str) -> Any:
    """Declare a parameter that is true or false."""
    return Flag(meaning)


@dataclass(frozen=True)
class Feature:
    """What an indicator and a structure have in common.

    Attributes
    ----------
    name, group
        Its name everywhere, and the file it stands in (`trend`, `volume`, `zones`, …).
    function
        The public function, with its parameters checked.
    parameters
        Its parameters in the order they are written.
    warmup, exact
        Bars of history, the newest included, after which the newest value equals that of the whole history
        to 1e-9 (of the output's largest magnitude) and to the bit: a number, or a function of the
        parameters. None: it depends on the whole history (a running total), and no shorter window will do.
    """

    name: str
    group: str
    function: Callable[..., Any]
    parameters: tuple[Parameter, ...]
    warmup: int | Callable[..., int | None] | None
    exact: int | Callable[..., int | None] | None
    defaults: dict[str, Value] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "defaults", {one.name: one.default for one in self.parameters})

    @property
    def doc(self) -> str:
        """Its docstring: formula, edge rules, source, example."""
        return inspect.getdoc(self.function) or ""

    @property
    def summary(self) -> str:
        """The first sentence of its docstring, as a list tells it: what it is, not what it returns."""
        text = self.doc.partition("\n\n")[0].replace("\n", " ").removeprefix("Return ").replace("`", "")
        return text[:1].upper() + text[1:]

    def read(self, given: Mapping[str, object]) -> dict[str, Value]:
        """Return parameters as a person gave them (text or numbers), checked; `field` is `param.<name>`."""
        return read_all({one.name: one for one in self.parameters}, given, of=self.name)

    def warmup_bars(self, *, bitwise: bool = False, **parameters: Value) -> int | None:
        """Return the declared warm-up for these parameters, to 1e-9 or `bitwise`; None for all history."""
        declared = self.exact if bitwise else self.warmup
        return declared(**{**self.defaults, **parameters}) if callable(declared) else declared


features: Registry[Feature] = Registry("feature", "cryptai.features")


def declared(
    function: Callable[..., Any], ranges: Mapping[str, Within | OneOf | Flag], inputs: tuple[str, ...]
) -> tuple[Parameter, ...]:
    """Return the parameters of a function, from its signature and what its decorator says of them.

    Raises
    ------
    TypeError
        If one has no range or no default, or a range has no parameter: a mistake in the feature's file.
    """
    arguments = inspect.signature(function).parameters
    own = {name: one for name, one in arguments.items() if name not in inputs}
    if set(own) != set(ranges):
        raise TypeError(f"{function.__name__} must state a range for each parameter: {sorted(own)}.")
    names = {"int": int, "float": float, "bool": bool, "str": str}
    found = []
    for name, one in own.items():
        if one.default is inspect.Parameter.empty:
            raise TypeError(f"{function.__name__} must give {name} a default.")
        annotation = one.annotation
        kind = names[annotation] if isinstance(annotation, str) else annotation
        said = ranges[name]
        if isinstance(said, Within):
            found.append(Parameter(name, kind, one.default, said.low, said.high, said.meaning))
        elif isinstance(said, OneOf):
            found.append(Parameter(name, str, one.default, meaning=said.meaning, choices=said.choices))
        else:
            found.append(Parameter(name, bool, one.default, meaning=said.meaning))
    return tuple(found)


def group_of(function: Callable[..., Any]) -> str:
    """Return the name of the file a feature stands in."""
    return function.__module__.rpartition(".")[2]
