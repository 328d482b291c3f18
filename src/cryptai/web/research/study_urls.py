"""Addresses of the searches' API."""

from __future__ import annotations

from django.urls import path

from cryptai.web.research.studies_api import CancelStudy, OneStudy, Studies

urlpatterns = [
    path(address, view.as_view(kind=kind), name=f"api-{kind}{more}")
    for kind in ("sweep", "walkforward")
    for address, view, more in (
        (f"{kind}s/", Studies, "s"),
        (f"{kind}s/<str:pk>/", OneStudy, ""),
        (f"{kind}s/<str:pk>/cancel/", CancelStudy, "-cancel"),
    )
]
