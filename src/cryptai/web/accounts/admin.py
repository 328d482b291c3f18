"""Users and their tokens in /admin/."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin

from cryptai.web.accounts.models import ApiToken, User

if TYPE_CHECKING:
    from django.http import HttpRequest

    _Admin = admin.ModelAdmin[ApiToken]
else:
    _Admin = admin.ModelAdmin

admin.site.register(User, UserAdmin)


@admin.register(ApiToken)
class ApiTokenAdmin(_Admin):
    """Issue and revoke tokens; the text of one is shown when it is made, and never again."""

    list_display = ("__str__", "user", "created_ms", "last_used_ms")
    list_select_related = ("user",)
    fields = ("user", "name")

    def has_change_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        """Say no: a token is made or revoked, never changed."""
        del request, obj
        return False

    def save_model(self, request: HttpRequest, obj: ApiToken, form: object, change: bool) -> None:
        """Make the token and show its text once."""
        del form, change
        text, made = ApiToken.objects.issue(obj.user, obj.name)
        obj.__dict__.update({k: v for k, v in made.__dict__.items() if k != "_state"})
        obj._state.adding = False  # noqa: SLF001 (it is the row just made)
        messages.warning(request, f"The token, shown only now: {text}")
