"""An answer that carries a tag of its content, so that who has it already is not sent it again."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from django.http import HttpResponse, JsonResponse
from django.utils.cache import get_conditional_response

if TYPE_CHECKING:
    from rest_framework.request import Request


def tagged(request: Request, told: dict[str, Any]) -> HttpResponse:
    """Return the object with a tag of its content, or 304 to one who has it already."""
    answer = JsonResponse(told)
    tag = f'"{hashlib.sha256(answer.content).hexdigest()[:32]}"'
    answer["ETag"], answer["Cache-Control"] = tag, "private, no-cache"
    found: HttpResponse = get_conditional_response(request._request, etag=tag, response=answer) or answer  # noqa: SLF001
    return found
