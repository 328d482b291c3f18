"""The app of users and tokens."""

from __future__ import annotations

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Users and their API tokens."""

    name = "cryptai.web.accounts"
    label = "accounts"
    verbose_name = "Accounts"
