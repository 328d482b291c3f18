"""What is made once: by its key, never out of date, and not for ever."""

from __future__ import annotations

from cryptai.web.once import Once


def test_it_works() -> None:
    made: list[str] = []
    once: Once[str] = Once(2)

    def get(name: str, state: int) -> str:
        return once.get((name, state), lambda: made.append(f"{name}{state}") or made[-1])

    assert [get("a", 1), get("a", 1), get("b", 1), get("a", 1)] == ["a1", "a1", "b1", "a1"]
    assert made == ["a1", "b1"]
    assert get("a", 2) == "a2", "another state is another thing"
    assert get("b", 1) == "b1"
    assert made == ["a1", "b1", "a2"]
    get("a", 1)
    assert made[-1] == "a1", "the oldest had gone"
    assert len(once._kept) == 2
