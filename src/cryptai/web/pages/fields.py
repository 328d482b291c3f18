"""One field of a form, as every form here shows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Field:
    """One field as the page shows it; `kind` is number, text, check, choice or lines."""

    name: str
    label: str
    kind: str
    value: str
    unit: str = ""
    hint: str = ""
    error: str = ""
    choices: tuple[str, ...] = ()
    placeholder: str = ""

    @property
    def id(self) -> str:
        """Return the name as an HTML id."""
        return f"f-{self.name.replace('.', '-')}"

    @property
    def used(self) -> bool:
        """Return whether it asks for something."""
        return self.checked if self.kind == "check" else self.value not in ("", *self.choices[:1])

    @property
    def checked(self) -> bool:
        """Return whether a check is ticked."""
        return self.value.strip().lower() in ("true", "1", "on", "yes")
