"""Addresses of the pages."""

from __future__ import annotations

from django.conf import settings
from django.urls import path

from cryptai.web.pages import (
    backtests,
    compare,
    data,
    market,
    one_signal,
    overlays,
    runs,
    signal_history,
    signal_quality,
    studies,
    styleguide,
    today,
)

urlpatterns = [
    path("", today.today, name="today"),
    path("signals/", signal_history.signals, name="signals"),
    path("signals/quality/", signal_quality.quality, name="signal-quality"),
    path("signals/<str:identity>/", one_signal.signal, name="signal"),
    path("markets/", market.market_list, name="market-list"),
    path("markets.json", market.markets_json, name="market-search"),
    path("markets/<str:symbol>/", market.market, name="market"),
    path("markets/<str:symbol>/candles.json", market.candles_json, name="market-candles"),
    path("markets/<str:symbol>/trades.json", market.trades_json, name="market-trades"),
    path("features.json", overlays.features_json, name="feature-menu"),
    path("markets/<str:symbol>/features/<str:name>.json", overlays.feature_json, name="market-feature"),
    path("data/dashboard/", data.dashboard, name="data"),
    path("analytics/backtesting/", backtests.backtesting, name="backtesting"),
    path("analytics/backtesting/runs/<str:pk>/", runs.run, name="run"),
    path("analytics/backtesting/runs/<str:pk>/equity.json", runs.run_equity, name="run-equity"),
    path("analytics/backtesting/runs/<str:pk>/trades.json", runs.run_trades, name="run-trades"),
]
urlpatterns += [
    path("analytics/backtesting/runs/<str:pk>/files/<str:name>", runs.run_file, name="run-file"),
    path("analytics/backtesting/compare/", compare.compare, name="compare"),
    path("analytics/backtesting/sweep/", studies.sweep_form, name="sweep-form"),
    path("analytics/backtesting/walk-forward/", studies.walkforward_form, name="walkforward-form"),
    path("analytics/backtesting/studies/<str:pk>/", studies.study, name="study"),
    path("analytics/backtesting/studies/<str:pk>/equity.json", studies.study_equity, name="study-equity"),
    path("analytics/backtesting/studies/<str:pk>/result.json", studies.study_result, name="study-result"),
    path("analytics/backtesting/studies/<str:pk>/cancel/", studies.study_cancel, name="study-cancel"),
]
if settings.DEBUG:
    urlpatterns.append(path("styleguide/", styleguide.styleguide, name="styleguide"))
