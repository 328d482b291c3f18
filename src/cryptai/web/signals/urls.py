"""Addresses of the signals' API, under `/signals/api/` and the same under `/api/v1/`."""

from __future__ import annotations

from django.urls import path

from cryptai.web.signals.api import AvailableDates, ClearCache, DailyBest, Signals
from cryptai.web.signals.recorded import OneRecorded, Recorded, Verified

urlpatterns = [
    path("signals/", Signals.as_view(), name="api-signals"),
    path("daily-best-signals/", DailyBest.as_view(), name="api-daily-best-signals"),
    path("available-dates/", AvailableDates.as_view(), name="api-available-dates"),
    path("clear-cache/", ClearCache.as_view(), name="api-clear-cache"),
    path("recorded-signals/", Recorded.as_view(), name="api-recorded-signals"),
    path("recorded-signals/<int:number>/", OneRecorded.as_view(), name="api-recorded-signal"),
    path("recorded-signals/verify/", Verified.as_view(), name="api-verify-signals"),
]
