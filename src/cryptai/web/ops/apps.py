"""The app of health, readiness and jobs."""

from __future__ import annotations

from django.apps import AppConfig


class OpsConfig(AppConfig):
    """Health, readiness and jobs."""

    name = "cryptai.web.ops"
    label = "ops"
    verbose_name = "Operations"
