"""Users and the tokens with which their programs sign in."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import ClassVar

from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models, transaction

from cryptai.seams import new_secret, now_ms

# What a token is worth is its randomness: 32 bytes, so one fast digest protects it as well as a slow one.
_TOKEN_BYTES = 32
_SEEN_EVERY_MS = 60_000


@dataclass(frozen=True)
class Credentials:
    """What the owner needs to sign in; shown once, kept nowhere."""

    username: str
    password: str
    token: str


class OwnerManager(UserManager["User"]):
    """Django's manager of users, and the owner: the one user whom the first start makes."""

    def owner(self) -> User | None:
        """Return the owner, or None before the first start."""
        return self.filter(is_superuser=True).order_by("pk").first()

    def first_start(self) -> Credentials | None:
        """Make the owner with a password and a token if there is no user yet; None if there is."""
        with transaction.atomic():
            if self.exists():
                return None
            owner = self.create(username="owner", is_staff=True, is_superuser=True)
            return owner.start_over()


class User(AbstractUser):
    """A person; signs in with username or email."""

    objects: ClassVar[OwnerManager] = OwnerManager()

    def start_over(self) -> Credentials:
        """Set a new password, end every session and token there was, and issue a token.

        A session carries a digest of the password's hash and so ends with it, in every process at once.
        """
        password = _new_password()
        with transaction.atomic():
            self.set_password(password)
            self.is_active = True
            self.save(update_fields=["password", "is_active"])
            self.tokens.all().delete()
            token, _row = ApiToken.objects.issue(self, "command")
            return Credentials(self.username, password, token)


class ApiTokenManager(models.Manager["ApiToken"]):
    """Issues tokens and recognises them."""

    def issue(self, user: User, name: str) -> tuple[str, ApiToken]:
        """Make a token for that user; return its text, which is kept nowhere and shown once, and its row."""
        prefix, secret = new_secret(6).hex(), new_secret(_TOKEN_BYTES).hex()
        row = self.create(user=user, name=name, prefix=prefix, digest=_digest(secret), created_ms=now_ms())
        return f"cai_{prefix}_{secret}", row

    def recognise(self, text: str) -> ApiToken | None:
        """Return the token of that text if it is one and its user is active; note that it was seen."""
        kind, _, rest = text.partition("_")
        prefix, _, secret = rest.partition("_")
        if kind != "cai" or not prefix.isalnum() or len(secret) != 2 * _TOKEN_BYTES:
            return None
        token = self.filter(prefix=prefix).select_related("user").first()
        if token is None or not hmac.compare_digest(token.digest, _digest(secret)):
            return None
        if not token.user.is_active:
            return None
        if now_ms() - (token.last_used_ms or 0) >= _SEEN_EVERY_MS:
            token.last_used_ms = now_ms()
            token.save(update_fields=["last_used_ms"])
        return token


class ApiToken(models.Model):
    """A bearer token: a public prefix to find it by, and the SHA-256 of its secret."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=60)
    prefix = models.CharField(max_length=12, unique=True)
    digest = models.CharField(max_length=64, editable=False)
    created_ms = models.BigIntegerField(editable=False)
    last_used_ms = models.BigIntegerField(null=True, editable=False)

    objects: ClassVar[ApiTokenManager] = ApiTokenManager()

    class Meta:
        """The name that people read."""

        verbose_name = "API token"

    def __str__(self) -> str:
        return f"{self.name} (cai_{self.prefix}_…)"


# 20 letters and digits, without those that are mistaken for each other: 99 bits, in groups one can read out.
def _new_password() -> str:
    letters = "abcdefghjkmnpqrstuvwxyz23456789"
    drawn = [letters[byte % len(letters)] for byte in new_secret(256) if byte < 256 - 256 % len(letters)][:20]
    return "-".join("".join(drawn[i : i + 5]) for i in range(0, 20, 5))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
