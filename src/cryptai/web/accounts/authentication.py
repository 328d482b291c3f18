"""`Authorization: Bearer cai_…`: how a program signs in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed

from cryptai.web.accounts.models import ApiToken

if TYPE_CHECKING:
    from django.http import HttpRequest
    from rest_framework.request import Request

    from cryptai.web.accounts.models import User


def bearer_text(request: HttpRequest) -> str | None:
    """Return what follows `Bearer` in the request's Authorization header, None if that is not there."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else None


def bearer_token(request: HttpRequest) -> ApiToken | None:
    """Return the valid token the request carries, looked up once a request."""
    found: dict[str, ApiToken | None] = request.__dict__.setdefault("_bearer", {})
    text = bearer_text(request)
    if text is None:
        return None
    if text not in found:
        found[text] = ApiToken.objects.recognise(text)
    return found[text]


class TokenAuthentication(BaseAuthentication):
    """The REST framework's side of it; a wrong token is refused, not treated as none."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """Return user and token, None where the request carries none."""
        if bearer_text(request._request) is None:  # noqa: SLF001 (Django's request inside the framework's)
            return None
        token = bearer_token(request._request)  # noqa: SLF001
        if token is None:
            raise AuthenticationFailed("The bearer token is not valid, or its user is suspended.")
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        """Say how to sign in, which makes the answer a 401."""
        del request
        return 'Bearer realm="cryptai"'
