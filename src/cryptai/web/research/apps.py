"""The app of backtest runs."""

from __future__ import annotations

from django.apps import AppConfig


class ResearchConfig(AppConfig):
    """Backtest runs and their results."""

    name = "cryptai.web.research"
    label = "research"
    verbose_name = "Research"
