"""Signing in: the same work, and the same answer, whoever tries and whether they exist or not."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from msgspec import Struct

from monitor.domain.errors import Busy, InvalidInput, SignInRefused, TooManyTries
from monitor.domain.outcome import printable
from monitor.domain.passwords import problem_of
from monitor.domain.people import LIMIT_OF_ACCOUNT, Person, SignInResult, TryLimit, limits_of_try
from monitor.resources.audit import Action
from monitor.resources.user import MAX_EMAIL
from monitor.runtime.logging import get_logger
from monitor.services.access import audit
from monitor.services.access.keys import hash_of
from monitor.services.access.rate_limits import source_of
from monitor.services.people import sessions
from monitor.services.people.hashing import Hasher
from monitor.services.people.sessions import Begun, Visitor
from monitor.storage.postgres import sign_in_limits, user_links, user_sessions, users
from monitor.storage.postgres.pool import Connection, Pool, session, transaction
from monitor.storage.postgres.users import Credentials

log = get_logger(__name__)

Limits = list[tuple[str, TryLimit]]


class SignIn(Struct, frozen=True):
    """Checks passwords and begins sessions. ``count`` is told what became of each try."""

    pool: Pool
    hasher: Hasher
    count: Callable[[SignInResult], None]

    async def sign_in(self, email: str, password: str, visitor: Visitor) -> Begun:
        """Begin a session in place of the one that this browser had.

        Raises SignInRefused, TooManyTries and Busy.
        """
        account = printable(email.strip(), MAX_EMAIL)
        credentials, limits = await self._count_try(account, visitor)
        stored = None if credentials is None else credentials.password_hash
        try:
            right = await self.hasher.verify(stored, password)
        except Busy:
            await self._undo(limits)
            raise
        begun = None
        if right and credentials is not None:
            begun = await self._begin(credentials, visitor, limits)
        user_id = None if credentials is None else str(credentials.user_id)
        if begun is None:
            self.count(SignInResult.WRONG)
            log.info("sign_in.refused", user_id=user_id, address=visitor.address)
            raise SignInRefused
        self.count(SignInResult.SIGNED_IN)
        log.info("sign_in.succeeded", user_id=user_id, address=visitor.address)
        await self._renew_hash(begun, stored or "", password)
        return begun

    async def change_password(
        self, person: Person, current: str, new: str, visitor: Visitor
    ) -> Begun:
        """Set another password: ends all sessions, and begins one in this browser.

        Raises InvalidInput where the current one is wrong or the new one is not accepted,
        TooManyTries and Busy.
        """
        problem = problem_of(new, (person.email,))
        if problem is not None:
            raise InvalidInput.of("password", problem)
        own = [(f"change {person.user_id}", LIMIT_OF_ACCOUNT)]
        async with session(self.pool) as connection:
            await self._acquire(connection, own)
            stored = await users.password_hash(connection, person.user_id)
        if not await self.hasher.verify(stored, current):
            raise _wrong_current()
        hashed = await self.hasher.hash(new)
        async with transaction(self.pool) as connection:
            if await users.password_hash(connection, person.user_id) != stored:
                raise _wrong_current()
            await users.set_password(connection, person.user_id, hashed)
            await user_links.remove(connection, person.user_id)
            await _give_back(connection, own)
            ended = await user_sessions.end_all(connection, person.user_id) - 1
            actor = sessions.actor_of(person.user_id, person.email, visitor)
            with audit.acting(actor):
                await audit.note(
                    connection,
                    Action.USER_PASSWORD_CHANGED,
                    person.user_id,
                    by="password",
                    sessions_ended=ended,
                )
            return await sessions.begin(connection, person.user_id, visitor)

    async def _count_try(self, account: str, visitor: Visitor) -> tuple[Credentials | None, Limits]:
        """What to check the password against, and the limits that the try was counted for."""
        browser = None if visitor.browser is None else hash_of(visitor.browser)
        async with session(self.pool) as connection:
            credentials = await users.credentials(connection, account, browser)
            remembered = credentials is not None and credentials.remembered
            known = f"{browser.hex()} {account.lower()}" if browser and remembered else None
            address = source_of(visitor.address or "")
            limits = limits_of_try(account.lower(), address, known)
            await self._acquire(connection, limits)
        return credentials, limits

    async def _acquire(self, connection: Connection, limits: Limits) -> None:
        for name, limit in limits:
            wait = await sign_in_limits.acquire(connection, _digest(name), limit)
            if wait is not None:
                self.count(SignInResult.LIMITED)
                raise TooManyTries(wait.total_seconds())

    async def _undo(self, limits: Limits) -> None:
        async with session(self.pool) as connection:
            await _give_back(connection, limits)

    async def _begin(
        self, credentials: Credentials, visitor: Visitor, limits: Limits
    ) -> Begun | None:
        """None if the person is, or was meanwhile, disabled, or has another password."""
        async with transaction(self.pool) as connection:
            stored = await users.password_hash(connection, credentials.user_id)
            if stored is None or stored != credentials.password_hash:
                return None
            await _give_back(connection, limits)
            return await sessions.begin(connection, credentials.user_id, visitor)

    async def _renew_hash(self, begun: Begun, stored: str, password: str) -> None:
        """Hash the password again where hashes cost more now than when it was stored."""
        if self.hasher.is_outdated(stored):
            hashed = await self.hasher.hash(password)
            async with session(self.pool) as connection:
                await users.rehash(connection, begun.user_id, stored, hashed)


async def _give_back(connection: Connection, limits: Limits) -> None:
    """The password was right, or not looked at: the try does not count."""
    for name, limit in limits:
        await sign_in_limits.give_back(connection, _digest(name), limit)


def _digest(name: str) -> bytes:
    """What people type into the field for their address may be a password."""
    return hashlib.blake2s(name.encode()).digest()


def _wrong_current() -> InvalidInput:
    return InvalidInput.of("current_password", "is wrong")
