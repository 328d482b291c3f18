"""The pipe: what is sent arrives equal, what was never sent is refused, and nothing of it runs."""

from __future__ import annotations

import json
import math
import socket
import struct
import threading

import numpy as np
import pytest

from cryptai import pipe as pipes
from cryptai.errors import CryptaiError
from cryptai.pipe import End, pipe

ROW = np.dtype([("symbol", "<i4"), ("net", "<f8"), ("name", "<U3")])
ARRAYS = {
    "prices": np.arange(12.0).reshape(3, 4)[:, ::2],
    "none": np.empty((0, 5), np.int8),
    "one": np.array(2.5),
    "flags": np.array([True, False, True]),
    "texts": np.array(["a", "ö"]),
    "times": np.array(["2024-01-01", "NaT"], "M8[ms]"),
    "rows": np.array([(1, math.inf, "x"), (2, -0.0, "yz")], ROW),
    "turned": np.arange(3, dtype=">i8"),
}


@pytest.fixture
def ends():
    both = pipe()
    yield both
    for end in both:
        end.close()


def sent(ends, told):
    """Return what comes out; a thread sends, for a long message waits to be read."""
    sender = threading.Thread(target=ends[0].send, args=[told])
    sender.start()
    found = ends[1].receive()
    sender.join()
    return found


@pytest.mark.parametrize(
    "told",
    [None, True, 0.1 + 0.2, 2**70, "ö\0\n", [], {}, {"a": [1, {"b": None}], "": "x" * 3_000_000}],
    ids=lambda told: str(told)[:20],
)
def test_what_json_takes_arrives_equal(ends, told):
    assert sent(ends, told) == told
    assert type(sent(ends, told)) is type(told)


def test_numbers_that_are_none_arrive_as_they_are(ends):
    found = sent(ends, [math.nan, -math.inf])
    assert math.isnan(found[0])
    assert found[1] == -math.inf


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_arrive_with_type_and_shape(ends, name):
    array = ARRAYS[name]
    found = sent(ends, {"before": [array, 1], "then": {"it": array}})
    assert found["before"][1] == 1
    for one in (found["before"][0], found["then"]["it"]):
        assert (one.dtype, one.shape) == (array.dtype, array.shape)
        assert one.tobytes() == array.tobytes()
        assert one.flags.aligned
        assert not one.flags.writeable


def test_a_long_array_arrives_whole(ends):
    array = np.random.default_rng(1).random(3_000_000)
    assert (sent(ends, [array])[0] == array).all()


def test_messages_follow_one_another_and_then_comes_the_end(ends):
    ours, theirs = ends
    ours.send([1])
    ours.send({"two": np.arange(2)})
    assert not ours.poll()
    assert theirs.poll()
    assert theirs.receive() == [1]
    assert theirs.receive()["two"].tolist() == [0, 1]
    assert not theirs.poll(0.01)
    ours.close()
    assert theirs.poll(None)
    with pytest.raises(EOFError):
        theirs.receive()
    with pytest.raises(OSError, match="pipe"):
        theirs.send("x" * 100_000)


@pytest.mark.parametrize("told", [object(), {1, 2}, np.array([object()]), np.zeros(1, "V3"), b"x"])
def test_what_is_neither_json_nor_a_plain_array_is_not_sent(ends, told):
    with pytest.raises(TypeError):
        ends[0].send(told)
    assert not ends[1].poll()


def test_what_holds_itself_is_not_sent(ends):
    told = []
    told.append({"again": told})
    with pytest.raises(RecursionError):
        ends[0].send(told)
    assert not ends[1].poll()


def test_no_message_is_longer_than_the_most(ends, monkeypatch):
    monkeypatch.setattr(pipes, "MOST", 100)
    with pytest.raises(CryptaiError, match="at most"):
        ends[0].send([np.zeros(20)])
    assert not ends[1].poll()


ARRAY = "\0array"


@pytest.mark.parametrize(
    ("text", "body"),
    [
        (b"{", b""),
        (b"\xff\xfe{", b""),
        (json.dumps([{ARRAY: 5}]).encode(), bytes(16)),
        (json.dumps({ARRAY: ["<f8", [3], 0]}).encode(), bytes(16)),
        (json.dumps({ARRAY: ["<f8", [1], -8]}).encode(), bytes(16)),
        (json.dumps({ARRAY: ["|O8", [1], 0]}).encode(), bytes(16)),
        (json.dumps({ARRAY: ["i4,(exit())i4", [1], 0]}).encode(), bytes(16)),
        (json.dumps({ARRAY: [[["a", "|O8"]], [1], 0]}).encode(), bytes(16)),
        (json.dumps({ARRAY: ["<f8", ["a"], 0]}).encode(), bytes(16)),
        (b"[" * 200_000, b""),
    ],
)  # fmt: skip
def test_what_was_never_sent_is_refused(text, body):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(5)
        threading.Thread(
            target=ours.sendall, args=[struct.pack(">QQ", len(text), len(body)) + text + body]
        ).start()
        with pytest.raises(CryptaiError, match="no message"):
            End(theirs).receive()


def test_what_says_it_is_endless_is_refused_before_it_is_read():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(struct.pack(">QQ", 1 << 62, 0))
        with pytest.raises(CryptaiError, match="at most 1024 MiB"):
            End(theirs).receive()


def test_half_a_message_is_the_end(ends):
    ours, theirs = socket.socketpair()
    with theirs:
        ours.sendall(struct.pack(">QQ", 10, 0) + b"[1")
        ours.close()
        with pytest.raises(EOFError):
            End(theirs).receive()
