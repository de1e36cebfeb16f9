"""Request headers and bodies at rest: sealed before they are stored, opened to be sent.

Fernet (AES-128-CBC and HMAC-SHA256) of ``cryptography``; the first key seals, every key opens.
Opening costs 17 us, and only websites that hide something pay it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from msgspec import UNSET
from msgspec.structs import replace

from monitor.domain.errors import SecretsUnreadable
from monitor.domain.website import NOTHING_SEALED, CheckOptions, Sealed
from monitor.resources import secrets
from monitor.resources.validation import Draft, WebsiteFields
from monitor.runtime.logging import get_logger

log = get_logger(__name__)

_headers = msgspec.json.Decoder(dict[str, str])


def new_key() -> str:
    """A key for MONITOR_ENCRYPTION_KEYS."""
    return Fernet.generate_key().decode("ascii")


class Vault:
    """The keys of this process; without any, secrets are stored as they are."""

    def __init__(self, keys: Sequence[str] = ()) -> None:
        fernets = [Fernet(key) for key in keys]
        self._first = fernets[0] if fernets else None
        self._all = MultiFernet(fernets) if fernets else None
        self._warned = False

    def __repr__(self) -> str:
        """Without the keys."""
        return "Vault(...)"

    @property
    def seals(self) -> bool:
        return self._first is not None

    def seal(self, draft: Draft) -> Draft:
        """The draft to be stored: what is hidden is sealed, unless it is already."""
        check = draft.check
        if not check.request_headers and not check.request_body:
            return draft
        sealed = Sealed(
            draft.sealed.headers or self._seal_headers(check.request_headers),
            draft.sealed.body or self._seal_text(check.request_body),
        )
        return replace(draft, check=_shown(check, sealed), sealed=sealed)

    def seal_fields(self, fields: WebsiteFields) -> tuple[WebsiteFields, Sealed]:
        """What was sent, without masks in it, to be stored with many websites."""
        headers, body = fields.request_headers, fields.request_body
        sealed = Sealed(
            "" if headers is UNSET else self._seal_headers(headers),
            "" if body is UNSET else self._seal_text(body),
        )
        if sealed.headers and headers is not UNSET:
            headers = secrets.masked_headers(headers)
        if sealed.body and body is not UNSET:
            body = secrets.masked_body(body)
        return replace(fields, request_headers=headers, request_body=body), sealed

    def _seal_headers(self, headers: dict[str, str]) -> str:
        if not any(secrets.hidden(*header) for header in headers.items()):
            return ""
        if secrets.has_mask(headers):
            raise ValueError("a mask is no value to be stored")
        return self._seal_text(msgspec.json.encode(headers).decode())

    def _seal_text(self, text: str) -> str:
        if not text:
            return ""
        if text == secrets.MASK:
            raise ValueError("a mask is no value to be stored")
        if self._first is None:
            self.warn_once()
            return ""
        return self._first.encrypt(text.encode()).decode("ascii")

    def open(self, check: CheckOptions, sealed: Sealed) -> CheckOptions:
        """The options with what is to be sent. Raises SecretsUnreadable."""
        if sealed.headers:
            check = replace(check, request_headers=self._open_headers(sealed.headers))
        if sealed.body:
            check = replace(check, request_body=self._open_text(sealed.body))
        return check

    def opened(self, draft: Draft) -> Draft:
        """The draft with nothing sealed. Raises SecretsUnreadable."""
        if draft.sealed == NOTHING_SEALED:
            return draft
        return replace(draft, check=self.open(draft.check, draft.sealed), sealed=NOTHING_SEALED)

    def holds(self, sealed: Sealed, fields: WebsiteFields) -> bool:
        """Whether what these fields send is what is sealed; no, where that cannot be told."""
        headers, body = fields.request_headers, fields.request_body
        try:
            if sealed.headers and headers is not UNSET:
                same_headers = headers == self._open_headers(sealed.headers)
            else:
                same_headers = True
            if sealed.body and body is not UNSET:
                return same_headers and body == self._open_text(sealed.body)
            return same_headers
        except SecretsUnreadable:
            return False

    def resealed(self, draft: Draft) -> Draft | None:
        """The draft sealed with the first key; None where it is. Raises SecretsUnreadable."""
        opened = self.opened(draft)
        again = self.seal(opened)
        same = _same_parts(again.sealed, draft.sealed) and self._first_opens(draft.sealed)
        return None if same else again

    def _first_opens(self, sealed: Sealed) -> bool:
        try:
            for token in filter(None, (sealed.headers, sealed.body)):
                assert self._first is not None
                self._first.decrypt(token)
        except InvalidToken:
            return False
        return True

    def _open_headers(self, token: str) -> dict[str, str]:
        return _headers.decode(self._open_text(token))

    def _open_text(self, token: str) -> str:
        if self._all is None:
            raise SecretsUnreadable
        try:
            return self._all.decrypt(token).decode()
        except InvalidToken:
            raise SecretsUnreadable from None

    def warn_once(self) -> None:
        """Say, once a process, that secrets are stored in the clear."""
        if not self._warned:
            self._warned = True
            log.warning("secrets.stored_in_the_clear", help="set MONITOR_ENCRYPTION_KEYS")


def _shown(check: CheckOptions, sealed: Sealed) -> CheckOptions:
    headers, body = check.request_headers, check.request_body
    return replace(
        check,
        request_headers=secrets.masked_headers(headers) if sealed.headers else headers,
        request_body=secrets.masked_body(body) if sealed.body else body,
    )


def _same_parts(one: Sealed, other: Sealed) -> bool:
    return bool(one.headers) == bool(other.headers) and bool(one.body) == bool(other.body)
