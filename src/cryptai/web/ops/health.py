"""`/healthz`: the process answers. `/readyz`: what it needs is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import DatabaseError, connection
from django.http import JsonResponse

from cryptai.errors import CryptaiError
from cryptai.web import live

if TYPE_CHECKING:
    from django.http import HttpRequest


def alive(request: HttpRequest) -> JsonResponse:
    """Answer that the process is alive; touches nothing."""
    del request
    return JsonResponse({"status": "ok"})


def ready(request: HttpRequest) -> JsonResponse:
    """Answer 200 when database, candle store and feed work, 503 when one does not, and which."""
    del request
    checks = {"database": _database(), "store": _store(), "feed": live.feed_status().state}
    follows = checks["feed"] in ("live", "backfilling", "halted")
    ready = checks["database"] == checks["store"] == "ok" and follows
    body = {"status": "ready" if ready else "not ready", "checks": checks}
    return JsonResponse(body, status=200 if ready else 503)


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM accounts_user LIMIT 1")
    except DatabaseError:
        return "does not answer"
    return "ok"


def _store() -> str:
    try:
        live.store().exchanges()
    except (CryptaiError, OSError):
        return "does not answer"
    return "ok"
