"""All channels by kind. A new one is a file of its own and a line here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import AsyncExitStack

from monitor.channels import email
from monitor.channels.contract import Channel
from monitor.channels.email.channel import EmailChannel
from monitor.runtime.settings import Settings

KINDS: Mapping[str, Callable[[Settings], Channel]] = {
    email.KIND: EmailChannel.from_settings,
}
"""How to open the channel of a kind. A kind stands in outbox rows: it is never renamed."""


class Channels:
    """The channels that this process can send over."""

    def __init__(self, by_kind: Mapping[str, Channel]) -> None:
        self._by_kind = dict(by_kind)

    @classmethod
    def open(
        cls, settings: Settings, kinds: Mapping[str, Callable[[Settings], Channel]] = KINDS
    ) -> Channels:
        """Open all channels. Raises SettingsError naming what one of them lacks."""
        return cls({kind: opener(settings) for kind, opener in kinds.items()})

    @property
    def kinds(self) -> Collection[str]:
        return self._by_kind.keys()

    def __getitem__(self, kind: str) -> Channel:
        return self._by_kind[kind]

    async def close(self) -> None:
        """Close all of them, even where one fails to."""
        async with AsyncExitStack() as stack:
            for channel in self._by_kind.values():
                stack.push_async_callback(channel.close)
