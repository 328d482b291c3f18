"""Every address of the platform; who may use each is in cryptai.web.permissions."""

from __future__ import annotations

from allauth.account.decorators import secure_admin_login
from allauth.account.models import EmailAddress
from django.contrib import admin
from django.contrib.auth.models import Group
from django.urls import include, path

from cryptai.web.ops import health, page
from cryptai.web.research.features import Features, OneFeature

# What is not used has no page: mail addresses are users' own, and there are no groups yet.
admin.site.unregister([EmailAddress, Group])
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
admin.site.site_header = admin.site.site_title = "CryptAI"

urlpatterns = [
    path("healthz", health.alive, name="healthz"),
    path("readyz", health.ready, name="readyz"),
    path("ops/jobs/", page.jobs_page, name="jobs"),
    path("accounts/", include("allauth.account.urls")),
    path("admin/", admin.site.urls),
    path("signals/api/", include("cryptai.web.research.urls")),
    path("signals/api/", include("cryptai.web.signals.urls")),
    path("api/v1/", include(("cryptai.web.signals.urls", "v1"))),
    path("api/v1/features/", Features.as_view(), name="api-features"),
    path("api/v1/features/<str:name>/", OneFeature.as_view(), name="api-feature"),
    path("api/v1/", include("cryptai.web.research.study_urls")),
    path("", include("cryptai.web.pages.urls")),
]
handler400 = "cryptai.web.errors.bad_request"
handler403 = "cryptai.web.errors.permission_denied"
handler404 = "cryptai.web.errors.not_found"
handler429 = "cryptai.web.errors.too_many"  # of allauth
handler500 = "cryptai.web.errors.server_error"
