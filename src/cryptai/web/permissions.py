"""Who may do what: one row a route and method. A route without a row is refused, and fails the tests.

Foreign objects are not this table's matter: a scoped query set answers for them as if they were absent.
"""

from __future__ import annotations

import logging
from enum import Flag, auto
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import Http404, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.http.request import split_domain_port
from django.urls import Resolver404, resolve, reverse

from cryptai.web import errors
from cryptai.web.accounts.authentication import bearer_text, bearer_token

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from django.http import HttpRequest
    from django.urls import ResolverMatch

_log = logging.getLogger(__name__)


class Who(Flag):
    """Kinds of callers; a row joins those that may."""

    NOBODY = 0
    ANYONE = auto()
    LOOPBACK = auto()  # not signed in, but on this very machine: see `is_loopback`
    USER = auto()  # signed in
    TOKEN = auto()  # a program with a user's bearer token
    OWNER = auto()  # signed in, and a superuser


NOBODY, ANYONE, OWNER = Who.NOBODY, Who.ANYONE, Who.OWNER
HERE: Final = Who.LOOPBACK | Who.USER
USER: Final = Who.USER
PROGRAM: Final = Who.USER | Who.TOKEN

_ADMIN_MODELS: Final = {
    "accounts_user": "admin/accounts/user/",
    "accounts_apitoken": "admin/accounts/apitoken/",
    "research_run": "admin/research/run/",
}

_SIGNALS: Final = (
    "api-signals",
    "api-daily-best-signals",
    "api-available-dates",
    "api-recorded-signals",
    "api-recorded-signal",
    "api-verify-signals",
)

# HEAD and OPTIONS go with GET; a method that is not named is answered 405 to those who may use another.
PERMISSIONS: Final[Mapping[str, Mapping[str, Who]]] = {
    # Pages: Today, Market and Data are for whoever sits at this machine; what a user has run is that user's.
    "today": {"GET": HERE},
    "signals": {"GET": HERE},
    "signal": {"GET": HERE},
    "signal-quality": {"GET": HERE},
    "market-list": {"GET": HERE},
    "market-search": {"GET": HERE},
    "market": {"GET": HERE},
    "market-candles": {"GET": HERE},
    "market-trades": {"GET": HERE},
    "feature-menu": {"GET": HERE},
    "market-feature": {"GET": HERE},
    "data": {"GET": HERE},
    "backtesting": {"GET": USER, "POST": USER},
    "run": {"GET": USER},
    "run-equity": {"GET": USER},
    "run-trades": {"GET": USER},
    "run-file": {"GET": USER},
    "compare": {"GET": USER},
    "sweep-form": {"GET": USER, "POST": USER},
    "walkforward-form": {"GET": USER, "POST": USER},
    "study": {"GET": USER},
    "study-equity": {"GET": USER},
    "study-result": {"GET": USER},
    "study-cancel": {"POST": USER},
    **({"styleguide": {"GET": HERE}} if settings.DEBUG else {}),
    # What keeps the platform up is its owner's.
    "jobs": {"GET": OWNER, "POST": OWNER},
    # The API.
    "api-backtests": {"POST": PROGRAM},
    "api-backtests-fixed": {"POST": PROGRAM},
    **{f"api-{kind}s": {"GET": PROGRAM, "POST": PROGRAM} for kind in ("sweep", "walkforward")},
    **{f"api-{kind}": {"GET": PROGRAM} for kind in ("sweep", "walkforward")},
    **{f"api-{kind}-cancel": {"POST": PROGRAM} for kind in ("sweep", "walkforward")},
    "api-features": {"GET": HERE | Who.TOKEN},
    "api-feature": {"GET": HERE | Who.TOKEN},
    **{f"{door}{name}": {"GET": HERE | Who.TOKEN} for door in ("", "v1:") for name in _SIGNALS},
    **{f"{door}api-clear-cache": {"GET": HERE | Who.TOKEN, "POST": OWNER} for door in ("", "v1:")},
    # Sign-in.
    "account_login": {"GET": ANYONE, "POST": ANYONE},
    "account_logout": {"GET": USER, "POST": USER},
    "account_inactive": {"GET": ANYONE},
    "account_reauthenticate": {"GET": USER, "POST": USER},
    "account_change_password": {"GET": USER, "POST": USER},
    # Doors of allauth that stay shut: no sign-up, and no mail is sent from here.
    "account_signup": {"GET": NOBODY, "POST": NOBODY},
    "account_set_password": {"GET": NOBODY, "POST": NOBODY},
    "account_email": {"GET": NOBODY, "POST": NOBODY},
    "account_email_verification_sent": {"GET": NOBODY, "POST": NOBODY},
    "account_confirm_email": {"GET": NOBODY, "POST": NOBODY},
    "account_confirm_login_code": {"GET": NOBODY, "POST": NOBODY},
    "account_reset_password": {"GET": NOBODY, "POST": NOBODY},
    "account_reset_password_done": {"GET": NOBODY},
    "account_reset_password_from_key": {"GET": NOBODY, "POST": NOBODY},
    "account_reset_password_from_key_done": {"GET": NOBODY},
    # Health: alive says nothing but that; ready says what is not.
    "healthz": {"GET": ANYONE},
    "readyz": {"GET": HERE | Who.TOKEN},
    # The WebSocket of prices, resolved in cryptai.web.sockets.
    "prices": {"GET": HERE},
    # The administration; its own sign-in and password pages lead to allauth's.
    "admin:login": {"GET": ANYONE, "POST": NOBODY},
    "admin:logout": {"POST": OWNER},
    "admin:index": {"GET": OWNER},
    "admin:app_list": {"GET": OWNER},
    "admin:jsi18n": {"GET": OWNER},
    "admin:autocomplete": {"GET": OWNER},
    "admin:view_on_site": {"GET": OWNER},
    "admin:password_change": {"GET": OWNER, "POST": OWNER},
    "admin:password_change_done": {"GET": OWNER},
    "admin:auth_user_password_change": {"GET": OWNER, "POST": OWNER},
    "admin/(?P<url>.*)$": {"GET": OWNER},
    **{
        f"admin:{model}_{verb}": {"GET": OWNER, "POST": OWNER}
        for model in _ADMIN_MODELS
        for verb in ("changelist", "add", "change", "delete")
    },
    **{f"admin:{model}_history": {"GET": OWNER} for model in _ADMIN_MODELS},
    **{f"{path}<path:object_id>/": {"GET": OWNER} for path in _ADMIN_MODELS.values()},
}

_FORWARDING: Final = ("HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_REAL_IP")


class PermissionMiddleware:
    """Hold every request to the table before any view is asked, and set `request.loopback`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Refuse it, or pass it on."""
        request.loopback = is_loopback(request)  # type: ignore[attr-defined]
        refused = refusal(request)
        return self.get_response(request) if refused is None else refused


def refusal(request: HttpRequest) -> HttpResponse | None:
    """Return the answer for one who may not, None for one who may."""
    try:
        name = route_name(resolve(request.path_info))
    except Resolver404:
        # A stranger does not learn which addresses exist.
        return None if _is(HERE | Who.TOKEN, request) else _sign_in(request)
    row = PERMISSIONS.get(name)
    if row is None:
        _log.error("The route %r has no row in the permission table; it was refused.", name)
        return errors.permission_denied(request)
    method = "GET" if request.method in ("HEAD", "OPTIONS") else str(request.method)
    who = row.get(method)
    if who is None:
        if not any(_is(who, request) for who in row.values()):
            return _refuse(next(iter(row.values())), request)
        if request.method == "OPTIONS":  # of a route without GET
            return HttpResponse(headers={"Allow": ", ".join(row)})
        return _not_allowed(request, row)
    return None if _is(who, request) else _refuse(who, request)


def may(name: str, request: HttpRequest) -> bool:
    """Return whether a GET of that route is this caller's to make."""
    return _is(PERMISSIONS[name]["GET"], request)


def route_name(match: ResolverMatch) -> str:
    """Return the key of a route in the table: its name with namespace, or its pattern if it has no name."""
    return match.view_name if match.url_name else match.route


def is_loopback(request: HttpRequest) -> bool:
    """Return whether the request comes from a person at this machine, to a server bound to it only.

    The Host must be a loopback name too, or a page elsewhere could reach in by rebinding its DNS name;
    and nothing may say that the request was forwarded: then it is the proxy that sits here.
    """
    if settings.HTTPS or settings.BIND not in _LOOPBACK_BINDS:
        return False
    if request.META.get("REMOTE_ADDR") not in _LOOPBACK_CLIENTS:
        return False
    if any(key in _FORWARDING or key.startswith("HTTP_X_FORWARDED") for key in request.META):
        return False
    try:
        host, _port = split_domain_port(request.get_host())
    except DisallowedHost:
        return False
    return host in settings.LOOPBACK_HOSTS


_LOOPBACK_BINDS: Final = ("127.0.0.1", "localhost", "::1")
_LOOPBACK_CLIENTS: Final = ("127.0.0.1", "::1")


def _is(who: Who, request: HttpRequest) -> bool:
    if Who.ANYONE in who:
        return True
    if Who.LOOPBACK in who and request.loopback:  # type: ignore[attr-defined]
        return True
    if Who.TOKEN in who and bearer_text(request) is not None:
        # Whoever shows a token is judged by it, not by a session beside it.
        return bearer_token(request) is not None
    user = request.user
    if Who.USER in who and user.is_authenticated:
        return True
    return Who.OWNER in who and user.is_authenticated and user.is_superuser


def _refuse(who: Who, request: HttpRequest) -> HttpResponse:
    if not who:
        return errors.not_found(request, Http404()) if _is(HERE, request) else _sign_in(request)
    if request.user.is_authenticated and not (Who.TOKEN in who and bearer_text(request) is not None):
        return errors.permission_denied(request)
    return _sign_in(request)


def _sign_in(request: HttpRequest) -> HttpResponse:
    if errors.is_api(request):
        detail = "Sign in, or send a valid token as `Authorization: Bearer …`."
        return errors.problem(401, detail, headers={"WWW-Authenticate": 'Bearer realm="cryptai"'})
    address = reverse("account_login")
    if request.method in ("GET", "HEAD"):
        address += "?" + urlencode({"next": request.get_full_path()})
    if request.headers.get("HX-Request"):
        # A fragment cannot show a sign-in page: the whole window goes there.
        return HttpResponse(status=401, headers={"HX-Redirect": reverse("account_login")})
    return HttpResponseRedirect(address)


def _not_allowed(request: HttpRequest, row: Mapping[str, Who]) -> HttpResponse:
    allow = ", ".join(row)
    if errors.is_api(request):
        return errors.problem(405, f"This address takes {allow}.", headers={"Allow": allow})
    return HttpResponseNotAllowed(list(row))
