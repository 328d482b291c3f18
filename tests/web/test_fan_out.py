"""A crowd on a real server: no final price is lost and no sequence goes back, beside one that is frozen."""

from __future__ import annotations

import json
import time

import pytest
from benchmarks import fan_out
from benchmarks.crowd import Member
from benchmarks.scripted import NAME, SYMBOLS

from cryptai.web.frames import framed


def test_every_one_of_a_crowd_has_the_last_price_of_all_it_follows() -> None:
    with fan_out.served() as server, fan_out.joined(server, 200, frozen=1) as crowd:
        for burst in (False, True):
            found = server.play(crowd, 2, burst=burst)  # checks what everybody got
            # On a machine that is busy elsewhere some prices are replaced by newer ones; none comes twice.
            assert 200 * fan_out.FOLLOWED <= found["deliveries"] <= 200 * fan_out.FOLLOWED * 2
        # One that comes late has everything at once.
        late = crowd.join(SYMBOLS[:5], NAME)
        began = time.monotonic()
        crowd.read(lambda: time.monotonic() - began > 0.5)
        newest = {event["symbol"]: event["price"] for _, event in late.events() if event["type"] == "price"}
        assert newest == dict.fromkeys(SYMBOLS[:5], 4.0)


def event(seq: int, price: float, symbol: str = "A/USDT") -> bytes:
    return framed(json.dumps({"type": "price", "symbol": symbol, "seq": seq, "price": price, "ts": 0}))


@pytest.mark.parametrize(
    "told",
    [
        (event(1, 1.0), event(3, 3.0), event(2, 2.0)),  # an older one after a newer
        (event(1, 1.0), event(2, 2.0)),  # the last one lost
        (event(1, 3.0, "B/USDT"),),  # nothing of what is followed
    ],
)
def test_the_check_itself_tells_an_inversion_and_a_lost_final_price(told: tuple[bytes, ...]) -> None:
    crowd = type("OfOne", (), {"members": [Member(None, ["A/USDT"], [(1, b"".join(told))])]})()  # type: ignore[arg-type]
    with pytest.raises(AssertionError):
        fan_out.checked(crowd, 3.0)
