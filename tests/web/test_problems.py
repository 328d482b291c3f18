"""What an API view raises becomes a problem document that names what is to blame."""

from __future__ import annotations

from cryptai.errors import LimitExceeded
from cryptai.web.errors import problem_of_exception


def test_a_strategy_beyond_its_limits_is_named_as_the_field_to_blame() -> None:
    sentence = "The strategy took more than 60 seconds and was stopped."
    answer = problem_of_exception(LimitExceeded(sentence), {})
    assert answer
    assert answer.status_code == 400
    assert (answer.data["field"], answer.data["detail"]) == ("strategy", sentence)
