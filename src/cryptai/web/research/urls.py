"""Addresses of the backtest API."""

from __future__ import annotations

from django.urls import path

from cryptai.web.research.api import Backtests, BacktestsFixed

urlpatterns = [
    path("backtests/", Backtests.as_view(), name="api-backtests"),
    path("backtests-fixed/", BacktestsFixed.as_view(), name="api-backtests-fixed"),
]
