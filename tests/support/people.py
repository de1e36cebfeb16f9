"""People of tests: who signs in, with hashes that cost next to nothing."""

from contextlib import contextmanager

from monitor.domain.access import Role
from monitor.resources.user import UserSettings
from monitor.services.people import links, users
from monitor.services.people.hashing import Argon2, Hasher
from monitor.services.people.sessions import Visitor
from monitor.services.people.sign_in import SignIn

PASSWORD = "kvxmzhqp wjrt"
OTHER_PASSWORD = "bnwqyxlk vfgt"


class CountingHasher(Hasher):
    """Notes of each verification whether it was against a stored hash."""

    def __init__(self):
        super().__init__(Argon2(passes=1, memory_kib=8, lanes=1))
        self.verified = []

    async def verify(self, stored, password):
        self.verified.append(stored is not None)
        return await super().verify(stored, password)


class People:
    """Services over a database, and what was counted of them."""

    def __init__(self, pool):
        self.pool = pool
        self.hasher = CountingHasher()
        self.results = []
        self.door = SignIn(pool, self.hasher, self.results.append)

    async def invite(self, email="ada@example.com", role=Role.READ):
        """Somebody who was invited, and the token of their link."""
        invited = await users.invite(self.pool, UserSettings(email=email, role=role))
        return invited.info, invited.link.token

    async def join(self, email="ada@example.com", role=Role.READ, password=PASSWORD, **visitor):
        """Somebody who accepted an invitation: (person, what their browser holds)."""
        user, token = await self.invite(email, role)
        begun = await self.accept(token, password, **visitor)
        return user, begun

    async def accept(self, token, password=PASSWORD, first_admin=None, **visitor):
        return await links.accept(
            self.pool,
            self.hasher,
            token,
            password,
            visitor=Visitor(**{"address": "192.0.2.1"} | visitor),
            first_admin=first_admin,
        )

    async def sign_in(self, email="ada@example.com", password=PASSWORD, **visitor):
        return await self.door.sign_in(
            email, password, Visitor(**{"address": "192.0.2.1"} | visitor)
        )


@contextmanager
def people_of(pool):
    """The services over this pool."""
    people = People(pool)
    try:
        yield people
    finally:
        people.hasher.close()
