"""Answers to what went wrong: pages for people, problem documents (RFC 9457) for programs."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.http import Http404, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from rest_framework import exceptions
from rest_framework.response import Response

from cryptai.errors import InputError, LimitExceeded

if TYPE_CHECKING:
    from django.http import HttpRequest

_log = logging.getLogger(__name__)


def is_api(request: HttpRequest) -> bool:
    """Return whether a program asks: an address of the API, or JSON wanted and no page."""
    accept = request.headers.get("Accept", "")
    return "/api/" in request.path or ("json" in accept and "html" not in accept)


def problem(
    status: int, detail: str, *, field: str | None = None, headers: dict[str, str] | None = None
) -> JsonResponse:
    """Return a problem document; `field` names the option that is to blame."""
    body = _body(status, detail, field)
    return JsonResponse(body, status=status, content_type="application/problem+json", headers=headers)


def problem_of_exception(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn what an API view raised into a problem document; None leaves a defect to the server's 500."""
    del context
    headers: dict[str, str] = {}
    field = None
    if isinstance(error, InputError):
        status, detail, field = 400, str(error), error.field
    elif isinstance(error, RecursionError):
        status, detail = 400, "The JSON is nested too deeply."
    elif isinstance(error, LimitExceeded):
        status, detail, field = 400, str(error), "strategy"
    elif isinstance(error, Http404):
        status, detail = 404, "There is nothing at this address."
    elif isinstance(error, exceptions.APIException):
        status, detail = error.status_code, str(error.detail)
        if wait := getattr(error, "wait", None):
            headers["Retry-After"] = str(int(wait) + 1)
        if challenge := getattr(error, "auth_header", None):
            headers["WWW-Authenticate"] = challenge
    else:
        return None
    return Response(
        _body(status, detail, field), status=status, headers=headers, content_type="application/problem+json"
    )


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400."""
    del exception
    return _answer(request, 400, "The request cannot be understood.")


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 403."""
    del exception
    return _answer(request, 403, "This is not yours to see or do.")


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer 403 to a form that did not come from our own page."""
    _log.info("CSRF check failed at %s: %s", request.path, reason)
    return _answer(request, 403, "The form is too old or came from another site; load the page again.")


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 404."""
    del exception
    return _answer(request, 404, "There is nothing at this address.")


def too_many(request: HttpRequest) -> HttpResponse:
    """Answer 429: allauth's, when somebody tries passwords."""
    return _answer(request, 429, "Too many tries; wait a few minutes.")


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500; what happened is in the log, not in the answer."""
    detail = "The server failed at this request; its log says why."
    try:
        return _answer(request, 500, detail)
    except Exception:  # noqa: BLE001 (the last net)
        # What failed may be what every page is made of.
        _log.exception("The page of the error 500 failed too.")
        return HttpResponse(detail, status=500, content_type="text/plain")


def _answer(request: HttpRequest, status: int, detail: str) -> HttpResponse:
    if is_api(request):
        return problem(status, detail)
    page = render_to_string([f"errors/{status}.html", "errors/400.html"], {"detail": detail}, request)
    return HttpResponse(page, status=status)


def _body(status: int, detail: str, field: str | None) -> dict[str, Any]:
    title = HTTPStatus(status).phrase
    body: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    if field:
        body["field"] = field
    return body
