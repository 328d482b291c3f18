"""Users and their tokens in /admin/."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm

from cryptai.web.accounts.models import ApiToken, User

if TYPE_CHECKING:
    from django.http import HttpRequest

    _Admin = admin.ModelAdmin[ApiToken]
    _UserAdmin = UserAdmin[User]
    _PasswordForm = AdminPasswordChangeForm[User]
else:
    _Admin = admin.ModelAdmin
    _UserAdmin = UserAdmin
    _PasswordForm = AdminPasswordChangeForm


class NewPasswordForm(_PasswordForm):
    """A new password for a user ends the tokens that were issued under the old one."""

    def save(self, commit: bool = True) -> User:
        """Keep the password and end the tokens."""
        user: User = super().save(commit)
        ApiToken.objects.filter(user_id=user.pk).delete()
        return user


@admin.register(User)
class PersonAdmin(_UserAdmin):
    """Django's own, which also makes, suspends and restores users."""

    change_password_form = NewPasswordForm


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
        obj.__dict__.update(made.__dict__)
        messages.warning(request, f"The token, shown only now: {text}")
