"""An answer that carries a tag of its content, so that who has it already is not sent it again."""

from __future__ import annotations

import hashlib
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from django.http import HttpResponse, JsonResponse
from django.utils.cache import get_conditional_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from rest_framework.request import Request


# Answers of some hundred kilobytes.
_MOST_KEPT: Final = 64
_kept: Final[dict[tuple[object, ...], tuple[object, bytes, str]]] = {}
_keeping: Final = Lock()


def tagged(request: Request, told: dict[str, Any]) -> HttpResponse:
    """Return the object with a tag of its content, or 304 to one who has it already."""
    return _answer(request, *_written(told))


def tagged_once(
    request: Request, state: tuple[object, ...], make: Callable[[], dict[str, Any]], *, of: object = None
) -> HttpResponse:
    """Return what `make` gives, as `tagged` does, made once for the same question in the same state.

    `state` is all that the answer follows from besides the question: the number of the newest row, say. `of`
    is an object that stands for its content, since nobody changes it.
    """
    key = (request.path, tuple(sorted(request.query_params.items())), state, id(of))
    found = _kept.get(key)
    if found is None:
        # What it was made of is held: another object must not come to lie where it lay.
        found = (of, *_written(make()))
        with _keeping:
            while len(_kept) >= _MOST_KEPT:
                del _kept[next(iter(_kept))]
            _kept[key] = found
    return _answer(request, *found[1:])


def _written(told: dict[str, Any]) -> tuple[bytes, str]:
    content = JsonResponse(told).content
    return content, f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def _answer(request: Request, content: bytes, tag: str) -> HttpResponse:
    answer = HttpResponse(content, content_type="application/json")
    answer["ETag"], answer["Cache-Control"] = tag, "private, no-cache"
    found: HttpResponse = get_conditional_response(request._request, etag=tag, response=answer) or answer  # noqa: SLF001
    return found
