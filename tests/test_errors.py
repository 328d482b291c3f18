"""Errors say what is wrong and the way out."""

from __future__ import annotations

import pickle

import pytest

from cryptai.errors import CryptaiError, DataError, InputError, SourceError, UnknownName


def test_an_unknown_name_is_answered_with_the_near_ones_whatever_its_case() -> None:
    error = UnknownName("strategy", "EMA_TREND", ["ema_trend", "breakout"], field="strategy")
    assert str(error) == "There is no strategy named 'EMA_TREND'; did you mean ema_trend?"
    assert error.field == "strategy"
    assert isinstance(error, InputError)


def test_without_a_near_one_all_are_told() -> None:
    assert "known are: breakout, ema_trend." in str(UnknownName("strategy", "zzz", ["ema_trend", "breakout"]))
    assert "none is known yet" in str(UnknownName("strategy", "zzz", []))


def test_a_name_of_any_length_keeps_the_sentence_short() -> None:
    assert len(str(UnknownName("strategy", "x" * 5000, ["ema_trend"]))) < 200


@pytest.mark.parametrize(
    "error",
    [
        InputError("No.", field="stop"),
        DataError("Row 3.", field="ts"),
        UnknownName("strategy", "EMA", ["ema_trend"], field="strategy"),
        SourceError("Not now.", permanent=True, answered=True, pause_s=3.0),
    ],
    ids=lambda error: type(error).__name__,
)
def test_it_arrives_from_another_process_as_it_was(error: CryptaiError) -> None:
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 (our own)
    assert type(again) is type(error)
    assert (str(again), vars(again)) == (str(error), vars(error))
