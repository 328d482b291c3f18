"""Errors say what is wrong and the way out."""

from __future__ import annotations

from cryptai.errors import InputError, UnknownName


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
