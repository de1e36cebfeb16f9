"""Encryption of secrets at rest: encrypted before they are stored, decrypted for checks.

Uses Fernet (AES-128-CBC and HMAC-SHA256) of ``cryptography``: the first key encrypts, every key
decrypts. Decryption costs 17 us, only for websites with secrets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from msgspec.structs import replace

from monitor.domain.errors import SecretsUnreadable
from monitor.resources.check_options import SECRETS, CheckOptions
from monitor.resources.fields import Values
from monitor.resources.secrets import Secret
from monitor.resources.website import Draft
from monitor.runtime.logging import get_logger

log = get_logger(__name__)

ENCRYPT_WITHOUT_KEY = "set MONITOR_ENCRYPTION_KEYS; `monitor secrets --help` has the steps"


def new_key() -> str:
    """Generate a key for MONITOR_ENCRYPTION_KEYS."""
    return Fernet.generate_key().decode("ascii")


def fingerprint(key: str) -> str:
    """What tells a key from others and nobody what it is: a hash of its 256 random bits."""
    return hashlib.sha256(b"monitor.encryption_key:" + key.encode()).hexdigest()[:16]


class Vault:
    """The encryption keys; without any, secrets are stored unencrypted."""

    def __init__(self, keys: Sequence[str] = ()) -> None:
        self.fingerprints = tuple(fingerprint(key) for key in keys)
        """Of all keys, in their order: the first one encrypts."""
        fernets = [Fernet(key) for key in keys]
        self._first = fernets[0] if fernets else None
        self._all = MultiFernet(fernets) if fernets else None
        self._warned = False

    def __repr__(self) -> str:
        """Omits the keys."""
        return "Vault(...)"

    @property
    def encrypts(self) -> bool:
        return self._first is not None

    def encrypt(self, draft: Draft) -> Draft:
        """The draft with its secrets encrypted, as it is to be stored."""
        draft = self._without_outdated(draft)
        encrypted, shown = dict(draft.encrypted), {}
        for name, secret, value in _set_secrets(draft.check):
            if name in encrypted or self._encrypt_into(encrypted, name, secret, value):
                shown[name] = secret.masked(value)
        if not shown:
            return draft
        return replace(draft, check=replace(draft.check, **shown), encrypted=encrypted)

    def _without_outdated(self, draft: Draft) -> Draft:
        """The draft with those options decrypted of which more may be shown by now, if they can be.

        An earlier version encrypted what this one shows.
        """
        outdated = {
            name: token
            for name, token in draft.encrypted.items()
            if name in SECRETS and SECRETS[name].outdated(getattr(draft.check, name))
        }
        if not outdated:
            return draft
        try:
            check = self.decrypt(draft.check, outdated)
        except SecretsUnreadable:
            return draft
        encrypted = {n: token for n, token in draft.encrypted.items() if n not in outdated}
        return replace(draft, check=check, encrypted=encrypted)

    def encrypt_values(self, sent: Values) -> tuple[Values, dict[str, str]]:
        """Fields of a bulk change with secrets masked, and their tokens. They contain no masks."""
        encrypted: dict[str, str] = {}
        shown = dict(sent)
        for name, secret in SECRETS.items():
            if name in sent and self._encrypt_into(encrypted, name, secret, sent[name]):
                shown[name] = secret.masked(sent[name])
        return shown, encrypted

    def _encrypt_into(
        self, encrypted: dict[str, str], name: str, secret: Secret, value: Any
    ) -> bool:
        """Encrypt a value; False if it has no secret part or there is no key."""
        if not secret.hides(value):
            return False
        if secret.has_mask(value):
            raise ValueError("a mask must not be stored")
        if self._first is None:
            self.warn_once()
            return False
        encrypted[name] = self._first.encrypt(secret.to_text(value).encode()).decode("ascii")
        return True

    def decrypt(self, check: CheckOptions, encrypted: Mapping[str, str]) -> CheckOptions:
        """The options with their secrets decrypted. Raises SecretsUnreadable."""
        values = {name: self._value(name, token) for name, token in encrypted.items()}
        return replace(check, **values) if values else check

    def decrypted(self, draft: Draft) -> Draft:
        """The draft with its secrets decrypted. Raises SecretsUnreadable."""
        if not draft.encrypted:
            return draft
        return replace(draft, check=self.decrypt(draft.check, draft.encrypted), encrypted={})

    def reencrypt(self, draft: Draft) -> Draft | None:
        """The draft encrypted with the first key; None if it is, and shows what may be shown.

        Raises SecretsUnreadable.
        """
        new = self.encrypt(self.decrypted(draft))
        same = new.encrypted.keys() == draft.encrypted.keys() and new.check == draft.check
        return None if same and self._first_decrypts(draft.encrypted) else new

    def _first_decrypts(self, encrypted: Mapping[str, str]) -> bool:
        try:
            for token in encrypted.values():
                assert self._first is not None
                self._first.decrypt(token)
        except InvalidToken:
            return False
        return True

    def _value(self, name: str, token: str) -> Any:
        if self._all is None or name not in SECRETS:  # of a newer version
            raise SecretsUnreadable
        try:
            return SECRETS[name].from_text(self._all.decrypt(token).decode())
        except InvalidToken:
            raise SecretsUnreadable from None

    def warn_once(self) -> None:
        """Warn, once per process, that secrets are stored unencrypted."""
        if not self._warned:
            self._warned = True
            log.warning("secrets.stored_in_the_clear", help=ENCRYPT_WITHOUT_KEY)


def _set_secrets(check: CheckOptions) -> Iterator[tuple[str, Secret, Any]]:
    """The secret options that are set: (name, secret, value)."""
    for name, secret in SECRETS.items():
        if value := getattr(check, name, None):
            yield name, secret, value
