"""An answer that carries a tag of its content, so that who has it already is not sent it again."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from django.http import HttpResponse, JsonResponse
from django.utils.cache import get_conditional_response

from cryptai.web.once import Once

if TYPE_CHECKING:
    from collections.abc import Callable

    from rest_framework.request import Request

# Answers of some hundred kilobytes, each with its tag and with what it was made of.
_answers: Final[Once[tuple[object, bytes, str]]] = Once(64)


def tagged(request: Request, told: dict[str, Any] | bytes) -> HttpResponse:
    """Return the object (or its JSON) with a tag of its content, or 304 to one who has it already."""
    return _answer(request, *_written(told))


def tagged_once(
    request: Request,
    state: tuple[object, ...],
    make: Callable[[], dict[str, Any] | bytes],
    *,
    of: object = None,
) -> HttpResponse:
    """Return what `make` gives, as `tagged` does, made once for the same question in the same state.

    `state` is all that the answer follows from besides the question: the number of the newest row, say. `of`
    is an object that stands for its content, since nobody changes it.
    """
    key = (request.path, tuple(sorted(request.query_params.items())), state, id(of))
    # What it was made of is held with it: another object must not come to lie where it lay.
    _, content, tag = _answers.get(key, lambda: (of, *_written(make())))
    return _answer(request, content, tag)


def _written(told: dict[str, Any] | bytes) -> tuple[bytes, str]:
    content = told if isinstance(told, bytes) else JsonResponse(told).content
    return content, f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def _answer(request: Request, content: bytes, tag: str) -> HttpResponse:
    answer = HttpResponse(content, content_type="application/json")
    answer["ETag"], answer["Cache-Control"] = tag, "private, no-cache"
    found: HttpResponse = get_conditional_response(request._request, etag=tag, response=answer) or answer  # noqa: SLF001
    return found
