"""Runs in /admin/: to look at, whoever's they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin

from cryptai.web.research.models import Run

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

    _Admin = admin.ModelAdmin[Run]
else:
    _Admin = admin.ModelAdmin


@admin.register(Run)
class RunAdmin(_Admin):
    """What was run, by whom, and how it ended."""

    list_display = ("__str__", "owner", "status", "created_ms")
    list_filter = ("status",)
    list_select_related = ("owner",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Run]:
        """Return everyone's runs."""
        del request
        return Run.objects.unscoped("the administration shows all").all()

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Say no: a run is made by running."""
        del request
        return False

    def has_change_permission(self, request: HttpRequest, obj: Run | None = None) -> bool:
        """Say no: what happened is not changed."""
        del request, obj
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Run | None = None) -> bool:
        """Say no: nor is it forgotten."""
        del request, obj
        return False
