"""Rows that belong to a user: a query that does not say whose raises instead of answering.

::

    Run.objects.for_user(request.user).get(pk=pk)      # theirs, or DoesNotExist as if it were absent
    Run.objects.unscoped("the admin shows all").all()  # everyone's, and the reader sees why
    Run.objects.get(pk=pk)                             # UnscopedQuery
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar

from django.db import models
from django.db.models import sql

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser
    from django.db.models.sql.compiler import SQLCompiler

    from cryptai.web.accounts.models import User

M = TypeVar("M", bound=models.Model)


class UnscopedQuery(RuntimeError):
    """A programming error: rows of users were asked for without saying whose."""


class ScopedQuery(sql.Query):
    """A query that compiles only when it was scoped; clones keep that, so chaining does."""

    scope: str | None = None

    def get_compiler(self, *args: Any, **kwargs: Any) -> SQLCompiler:
        """Compile, which every way of reading does in the end: here it is held."""
        self.check_scope()
        compiler: SQLCompiler = super().get_compiler(*args, **kwargs)
        return compiler

    def combine(self, rhs: sql.Query, connector: str) -> None:
        """Join with `&` or `|`: only what is of one scope, or the wider one would let the other out."""
        if getattr(rhs, "scope", None) != self.scope:
            raise UnscopedQuery(f"Queries of scopes {self.scope!r} and {rhs.scope!r} cannot be combined.")  # type: ignore[attr-defined]
        super().combine(rhs, connector)

    def check_scope(self) -> None:
        """Raise unless somebody said whose rows these are."""
        if self.scope is None:
            name = self.model.__name__ if self.model else "?"
            raise UnscopedQuery(
                f"{name}: say whose rows, with .for_user(user), or why all, with .unscoped(reason)."
            )


class ScopedQuerySet(models.QuerySet[M]):
    """The rows of one user. The model has a foreign key `owner`."""

    query: ScopedQuery

    def __init__(
        self, model: type[M] | None = None, query: sql.Query | None = None, using: str | None = None,
        hints: dict[str, models.Model] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(model, query or ScopedQuery(model), using, hints)

    def for_user(self, user: User | AnonymousUser) -> Self:
        """Return that user's rows; a caller who is not signed in has none."""
        if user.pk is None:
            return self._scoped("nobody").none()
        return self._scoped(f"user {user.pk}").filter(owner_id=user.pk)

    def unscoped(self, reason: str) -> Self:
        """Return everyone's rows; the reason is for the reader."""
        if not reason:
            raise ValueError("unscoped needs a reason.")
        return self._scoped(f"all: {reason}")

    def update(self, **kwargs: Any) -> int:
        """Change rows of a stated scope."""
        self.query.check_scope()
        return super().update(**kwargs)

    def delete(self) -> tuple[int, dict[str, int]]:
        """Delete rows of a stated scope."""
        self.query.check_scope()
        return super().delete()

    def bulk_create(self, objs: Any, *args: Any, **kwargs: Any) -> list[M]:
        """Insert rows; never in place of others'."""
        if kwargs.get("update_conflicts"):
            self.query.check_scope()
        return super().bulk_create(objs, *args, **kwargs)

    def raw(self, *args: object, **kwargs: object) -> NoReturn:
        """Refuse: raw SQL cannot be scoped."""
        del args, kwargs
        raise UnscopedQuery("Raw SQL cannot be scoped; write it as a query.")

    def _scoped(self, scope: str) -> Self:
        if self.query.scope is not None and self.query.scope != scope:
            raise UnscopedQuery(
                f"This query is of scope {self.query.scope!r} already, and cannot become {scope!r}."
            )
        found = self.all()
        found.query.scope = scope
        return found
