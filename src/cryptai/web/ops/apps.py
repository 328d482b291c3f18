"""The app of health and readiness."""

from __future__ import annotations

from django.apps import AppConfig


class OpsConfig(AppConfig):
    """Health and readiness."""

    name = "cryptai.web.ops"
    label = "ops"
    verbose_name = "Operations"
