"""Settings of the platform: one file, from the environment and the workspace, safe unless told otherwise.

============================ =====================================================================
``CRYPTAI_HOME``             the workspace folder (default ``workspace/`` under the current one)
``CRYPTAI_HOSTS``            more host names that are served, separated by commas
``CRYPTAI_BIND``             set by ``cryptai up``: the address the server is bound to
``CRYPTAI_HTTPS=1``          served behind TLS: secure cookies, HSTS, redirect, never "loopback"
``CRYPTAI_DEBUG=1``          tracebacks and the style guide; never where others can reach it
``CRYPTAI_SECRET_KEY``       instead of the generated ``secrets/django.key``
``DATABASE_URL``             a PostgreSQL database in place of the workspace's SQLite file
``REDIS_URL``                jobs by Celery, one cache and one stream of prices for several servers
``CRYPTAI_REDIS_PREFIX``     what all our keys in Redis begin with (default ``cryptai:``)
============================ =====================================================================

Importing this writes nothing: the checker of types and `django check` import it too.
"""

from __future__ import annotations

import os
from typing import Any

from csp.constants import NONE, SELF

from cryptai.web import addresses
from cryptai.web.secret import secret_key
from cryptai.workspace import Workspace, workspace_root

WORKSPACE = Workspace(workspace_root())
# These two decide how the platform runs; nothing else asks.
DATABASE_URL = os.environ.get("DATABASE_URL", "")
REDIS_URL = os.environ.get("REDIS_URL", "")
REDIS_PREFIX = os.environ.get("CRYPTAI_REDIS_PREFIX", "cryptai:")
DEBUG = os.environ.get("CRYPTAI_DEBUG") == "1"
HTTPS = os.environ.get("CRYPTAI_HTTPS") == "1"
BIND = os.environ.get("CRYPTAI_BIND", "")
SECRET_KEY = secret_key(WORKSPACE)
LOOPBACK_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
ALLOWED_HOSTS = [
    *LOOPBACK_HOSTS,
    # An address that means "every address" is nobody's name.
    *([f"[{BIND}]" if ":" in BIND else BIND] if BIND not in ("", "0.0.0.0", "::") else []),  # noqa: S104
    *(host.strip() for host in os.environ.get("CRYPTAI_HOSTS", "").split(",") if host.strip()),
]

INSTALLED_APPS = [
    "cryptai.web.accounts",
    "cryptai.web.research",
    "cryptai.web.ops",
    "cryptai.web.pages",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "rest_framework",
    "django_htmx",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "cryptai.web.headers.HeadersMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "cryptai.web.headers.StaticMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "cryptai.web.permissions.PermissionMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]
ROOT_URLCONF = "cryptai.web.urls"
APPEND_SLASH = True
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [os.path.join(os.path.dirname(__file__), "templates")],  # noqa: PTH118, PTH120 (Django takes text)
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "cryptai.web.context.shown",
            ],
        },
    }
]

DATABASES = {"default": addresses.database(DATABASE_URL, WORKSPACE.database)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {"default": addresses.cache(REDIS_URL, REDIS_PREFIX)}
JOB_RUNNER = "cryptai.web.celery" if REDIS_URL else "cryptai.web.ops.threads"

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
STATIC_URL = "/static/"
STATICFILES_DIRS = [os.path.join(os.path.dirname(__file__), "static")]  # noqa: PTH118, PTH120 (Django takes text)
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "cryptai.web.accounts.adapter.ClosedAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_RATE_LIMITS = {"login": "30/m/ip", "login_failed": "10/m/ip,5/5m/key"}
ALLAUTH_TRUSTED_PROXY_COUNT = 1 if HTTPS else 0

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "cryptai.web.accounts.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_THROTTLE_RATES": {"backtests": "600/min", "features": "600/min", "signals": "600/min"},
    "EXCEPTION_HANDLER": "cryptai.web.errors.problem_of_exception",
    "STRICT_JSON": True,
    "NUM_PROXIES": 1 if HTTPS else 0,
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 200

# Browser hardening. `connect-src` gains the page's own WebSocket address in cryptai.web.headers.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SESSION_COOKIE_NAME = "__Host-session" if HTTPS else "cryptai-session"
CSRF_COOKIE_NAME = "__Host-csrf" if HTTPS else "cryptai-csrf"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 14 * 24 * 3600
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
# Only the TLS end in front may say that a request came by HTTPS, and it is there only then.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
CSRF_FAILURE_VIEW = "cryptai.web.errors.csrf_failed"

_LOGS = WORKSPACE.root / "logs"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"},
    },
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "line", "level": "WARNING"},
        "file": (
            {
                "class": "logging.handlers.RotatingFileHandler",
                "filename": _LOGS / "cryptai.log",
                "maxBytes": 5_000_000,
                "backupCount": 5,
                "delay": True,
                "encoding": "utf-8",
                "formatter": "line",
            }
            if _LOGS.is_dir()
            else {"class": "logging.NullHandler"}
        ),
    },
    "root": {"handlers": ["stderr", "file"], "level": "INFO"},
    "loggers": {
        # Refusals of hosts and paths are an attacker's text: kept in the file, not shown.
        "django.security.DisallowedHost": {"handlers": ["file"], "propagate": False},
        "django.request": {"handlers": ["file"], "level": "ERROR", "propagate": DEBUG},
        "httpx": {"level": "WARNING"},
    },
}
