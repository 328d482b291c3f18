"""Before a download asks for anything it asks whether the venue is there: how long it waits for that."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from cryptai.cli.data import history
from cryptai.errors import SourceError

AWAY = SourceError("Venue can't be reached from here.")
PAUSE = SourceError("Venue asked for a pause.", answered=True, pause_s=120.0)
LONG = SourceError("Venue asked for a pause.", answered=True, pause_s=7200.0)
NEVER = SourceError("Venue does not serve this country.", permanent=True)


@pytest.mark.parametrize(
    ("answers", "waits", "told", "ends"),
    [
        ([None], [], 0, None),
        ([AWAY, None], [0.5], 0, None),
        ([AWAY, AWAY, None], [0.5, 1.0], 0, None),
        ([AWAY, AWAY, AWAY], [0.5, 1.0], 0, AWAY),
        # A pause is waited out to its end, with a second for two clocks.
        ([PAUSE, None], [121.0], 1, None),
        ([PAUSE, AWAY, None], [121.0, 1.0], 1, None),
        ([LONG], [], 0, LONG),
        ([NEVER], [], 0, NEVER),
    ],
)
def test_it_waits_for_as_long_as_is_worth_it(
    answers: list[SourceError | None],
    waits: list[float],
    told: int,
    ends: SourceError | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    slept: list[float] = []
    left = iter(answers)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def ping() -> None:
        if (answer := next(left)) is not None:
            raise answer

    monkeypatch.setattr(history, "asyncio", SimpleNamespace(sleep=sleep))
    source: Any = SimpleNamespace(title="Venue", ping=ping)
    if ends is None:
        asyncio.run(history._reach(source))
    else:
        with pytest.raises(SourceError) as raised:
            asyncio.run(history._reach(source))
        assert raised.value is ends
    assert slept == waits
    assert next(left, "asked no more") == "asked no more"
    said = capsys.readouterr().err
    assert said.count("Venue asked for a pause; going on in 120 s.") == said.count("\n") == told
