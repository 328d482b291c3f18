"""Work on the server's threads: its outcome reaches who asked, its defects the log."""

from __future__ import annotations

import logging

import pytest

from cryptai.errors import InputError
from cryptai.web import jobs


def test_it_works() -> None:
    assert jobs.submit(divmod, 7, 3).result(10) == (2, 1)


def test_a_defect_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ZeroDivisionError):
        jobs.submit(divmod, 1, 0).result(10)
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info


def test_a_refusal_is_no_error_of_the_servers(caplog: pytest.LogCaptureFixture) -> None:
    def refuse() -> None:
        raise InputError("There is no strategy named 'x'.")

    with caplog.at_level(logging.INFO), pytest.raises(InputError):
        jobs.submit(refuse).result(10)
    (record,) = caplog.records
    assert record.levelno == logging.INFO
    assert not record.exc_info
