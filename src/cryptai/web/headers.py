"""Headers every answer carries, and the static files, which need nothing but them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import DisallowedHost
from django.http import HttpResponse
from whitenoise.middleware import WhiteNoiseMiddleware  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from whitenoise.responders import StaticFile  # type: ignore[import-untyped]

_FEATURES = ("accelerometer", "camera", "geolocation", "gyroscope", "microphone", "payment", "usb")
_PERMISSIONS = ", ".join(f"{name}=()" for name in _FEATURES)


class HeadersMiddleware:
    """Switch off the browser's features, keep pages out of caches, allow the page's own WebSocket."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Add them to what the rest answered."""
        response = self.get_response(request)
        response.setdefault("Permissions-Policy", _PERMISSIONS)
        response.setdefault("Cache-Control", "no-store")
        try:
            socket = f"{'wss' if request.is_secure() else 'ws'}://{request.get_host()}"
        except DisallowedHost:
            return response
        # Older browsers do not count a WebSocket of the same origin as 'self'.
        response._csp_update = {"connect-src": [socket]}  # type: ignore[attr-defined]  # noqa: SLF001 (django-csp's door)
        return response


class StaticMiddleware(WhiteNoiseMiddleware):  # type: ignore[misc]
    """WhiteNoise over the apps' and our own static folders, found at start: nothing to collect.

    The files are small, so an answer is made of bytes: a file iterator under ASGI is read by Django
    byte for byte through a thread, with a warning.
    """

    @staticmethod
    def serve(static_file: StaticFile, request: HttpRequest) -> HttpResponse:
        """Answer one request for a known static file."""
        answer = static_file.get_response(request.method, request.META)
        body = b""
        if answer.file is not None:
            with answer.file as file:
                body = file.read()
        response = HttpResponse(body, status=int(answer.status))
        del response["content-type"]
        for key, value in answer.headers:
            response[key] = value
        return response
