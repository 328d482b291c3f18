"""Sign-in without sign-up: users are made by the owner in /admin/."""

from __future__ import annotations

from typing import TYPE_CHECKING

from allauth.account.adapter import DefaultAccountAdapter

from cryptai.web.accounts.models import ApiToken

if TYPE_CHECKING:
    from django.http import HttpRequest

    from cryptai.web.accounts.models import User


class ClosedAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Allauth's adapter with the front door closed to strangers."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Nobody signs up by themselves."""
        del request
        return False

    def set_password(self, user: User, password: str) -> None:
        """Set a new password, and end the tokens that were issued under the old one."""
        super().set_password(user, password)
        ApiToken.objects.filter(user=user).delete()
