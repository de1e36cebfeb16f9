"""Websites that are down, and the ways to close their incidents."""

import time

from monitor.channels import email
from monitor.channels.contract import Delivery
from monitor.channels.registry import Channels
from monitor.services.bulk import change as bulk_change
from monitor.services.bulk.change import Selection
from monitor.services.notifications.deliver import Deliverer
from monitor.services.secrets.vault import Vault
from monitor.services.websites import manage as websites
from monitor.storage.postgres.websites import Filter
from support.factories import flip_down


class KeepingChannel:
    """Keeps (event, config), or fails with the next of ``errors``."""

    def __init__(self):
        self.sent = []
        self.errors = []

    async def send(self, event, config):
        if self.errors:
            raise self.errors.pop(0)
        self.sent.append((event, config))
        return Delivery(f"m{len(self.sent)}", "250 OK")


async def down(world, *urls, regions=("europe",), emails=("ops@example.com",), **flip):
    """Websites that these regions found down; returns their ids."""
    ids = [await world.add_website(url, regions=regions, emails=emails) for url in urls]
    await world.sync()
    for region in regions:
        await world.recorder().record([flip_down(w, region=region, **flip) for w in ids])
    return ids


def deliverer(pool):
    """What delivers over a channel that keeps what it sends; and that channel."""
    channel = KeepingChannel()
    return Deliverer(pool, Channels({email.KIND: channel}), time.time), channel


async def deliver_all(pool):
    """Deliver what is due, as long as there is anything; returns what was sent, in order."""
    delivering, channel = deliverer(pool)
    while due := await delivering.due(100):
        for row_id in due:
            await delivering.deliver(row_id)
    return channel.sent


async def make_due(pool):
    """What waits for more to tell need not."""
    async with pool.connection() as connection:
        await connection.execute("UPDATE notifications SET next_attempt_at = now()")


async def pause(world, website):
    await websites.change(world.pool, Vault(), website, {"paused": True}, world.now_s)


async def delete(world, website):
    await websites.delete(world.pool, website)


async def move(world, website, *names):
    """Check it from these regions."""
    await websites.change(world.pool, Vault(), website, {"regions": names}, world.now_s)


async def pause_all(world, count):
    await _change_all(world, count, {"paused": True})


async def move_all(world, count, *names):
    await _change_all(world, count, {"regions": names})


async def _change_all(world, count, sent):
    selection = Selection(Filter(), everything=True, confirm=count)
    await bulk_change.change(world.pool, Vault(), selection, sent)


async def delete_all(world, count):
    await bulk_change.delete(world.pool, Selection(Filter(), everything=True, confirm=count))
