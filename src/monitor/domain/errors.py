"""Our own errors: each states in a sentence what is wrong and what to do about it."""

from __future__ import annotations

from msgspec import Struct

from monitor.domain.delivery import Fault


class FieldProblem(Struct, frozen=True):
    """An invalid field and the reason: ``field`` is the name that the caller used."""

    field: str
    message: str


class MonitorError(Exception):
    """Base of every error that this product raises deliberately."""


class SettingsError(MonitorError):
    """A setting is missing or malformed; the message names it."""


class InvalidInput(MonitorError):
    """The input is invalid; nothing was changed."""

    def __init__(self, problems: list[FieldProblem]) -> None:
        super().__init__("; ".join(f"{p.field}: {p.message}" for p in problems))
        self.problems = problems

    @classmethod
    def of(cls, field: str, message: str) -> InvalidInput:
        return cls([FieldProblem(field, message)])


class BadQuery(InvalidInput):
    """A query parameter, not a field of a body, cannot be accepted."""


class NotFound(MonitorError):
    """The object does not exist; ``code`` is stable and names its kind."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Conflict(MonitorError):
    """The change conflicts with stored data; ``code`` is stable, ``field`` the field at fault."""

    def __init__(self, code: str, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.field = field


class Unavailable(MonitorError):
    """A server we depend on did not answer; a retry may help."""

    def __init__(self, dependency: str, message: str) -> None:
        super().__init__(f"{dependency}: {message}")
        self.dependency = dependency

    @property
    def advice(self) -> str:
        """What to tell a caller: a sentence without the names of servers and addresses."""
        return f"{self.dependency} is unavailable; try again soon."


class Misconfigured(Unavailable):
    """A store refuses what we ask, until somebody corrects a setting or the store.

    It is unavailable like one that is away: what waits for it goes on waiting.
    """

    def __init__(self, dependency: str, problem: str, details: str = "") -> None:
        """``problem``: what is wrong and what to do, for anybody: no full stop, address or secret.
        ``details`` are for the log.
        """
        super().__init__(dependency, f"{details}; {problem}" if details else problem)
        self.problem = problem
        self.details = details

    @property
    def advice(self) -> str:
        return f"{self.dependency}: {self.problem}."


class Locked(Unavailable):
    """Another change held what this one needed for longer than it may wait."""

    @property
    def advice(self) -> str:
        return "Another change holds the same data, and did not end in time; try again soon."


class NoRoom(Unavailable):
    """A store refuses writes, because its disk or its memory is full."""

    def __init__(self, dependency: str, message: str, why: str) -> None:
        """``why``: half a sentence for people."""
        super().__init__(dependency, message)
        self.why = why

    @property
    def advice(self) -> str:
        return f"{self.dependency} can store nothing, because {self.why}: make room there."


class OutcomeUnknown(Unavailable):
    """A transaction was to be committed, and the server did not say whether it was."""

    @property
    def advice(self) -> str:
        return (
            f"{self.dependency} did not say whether the change is stored: look before you send it "
            "again."
        )


class Contended(MonitorError):
    """Others kept changing the same data; nothing of this change was stored."""


class Busy(MonitorError):
    """The limit of concurrent operations is reached; a retry may help."""


class BodyStalled(MonitorError):
    """The caller stopped sending before the body was complete."""


class SecretsUnreadable(MonitorError):
    """Headers or a body are encrypted with a key that this process does not have."""

    def __init__(self, of: str = "a website") -> None:
        super().__init__(
            f"The request headers or the body of {of} are encrypted with a key that is not in "
            "MONITOR_ENCRYPTION_KEYS."
        )


class SignInRefused(MonitorError):
    """Address and password do not belong together, or the person may not sign in: it does not say
    which."""

    def __init__(self) -> None:
        super().__init__("The e-mail address or the password is wrong.")


class TooManyTries(MonitorError):
    """No more passwords may be tried for ``wait_s`` seconds."""

    def __init__(self, wait_s: float) -> None:
        super().__init__("Too many tries to sign in; wait a little and try again.")
        self.wait_s = wait_s


class BadMessage(MonitorError):
    """A queue message cannot be decoded; a retry would not help."""


class DeliveryError(MonitorError):
    """A channel could not deliver. ``permanent``: a retry cannot help.

    ``final_if_serving``: names the other side where it cannot be told whether it refuses the
    recipient or us. If it has lately taken a message for another recipient, a retry cannot help.
    """

    def __init__(
        self,
        message: str,
        *,
        permanent: bool,
        fault: Fault | None = None,
        final_if_serving: str | None = None,
    ) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.fault = fault or (Fault.RECIPIENT if permanent else Fault.REFUSED)
        self.final_if_serving = final_if_serving


class MigrationError(MonitorError):
    """The database and migrations/ disagree; the message says where."""
