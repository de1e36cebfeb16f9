"""What the processes of a local stack are told: the user's settings, and its own servers."""

import socket
import stat
from pathlib import Path

import pytest

from monitor.domain.access import Role
from monitor.domain.errors import SettingsError
from monitor.local.banner import BannerFacts, banner
from monitor.local.directory import DataDirectory
from monitor.local.processes import Locations, commands, environment, joined_keys
from monitor.local.stack import KEY_NAME, _region_and_key, up
from monitor.resources.mail_address import MailAddress
from monitor.runtime.settings import TABLE, load
from monitor.services.access.key_ring import KeyRing
from monitor.services.access.keys import list_keys, revoke_key
from monitor.storage.postgres.pool import make_pool

SERVERS = Locations("postgresql://postgres@/monitor?host=%2Ftmp", "redis://127.0.0.1:1/0", 2525)


def told(given, command=None):
    """The settings that a process reads from its environment, with a `.env` in its way."""
    env = environment(given, SERVERS, Path("/data"))
    return load(env | (command.settings if command else {}), Path("/nonexistent/.env"))


def test_the_servers_are_always_the_stacks_own():
    # when
    settings = told(
        {
            "DATABASE_URL": "postgresql://db.invalid/x",
            "REDIS_URL": "redis://redis.invalid",
            "MONITOR_REGION": "elsewhere",
        }
    )
    # then
    assert settings.database_url == SERVERS.database_url
    assert settings.redis_url == SERVERS.redis_url
    assert settings.monitor_region is None
    assert str(settings.monitor_data_dir) == "/data"


def test_mail_goes_to_the_mailbox():
    # when
    settings = told({})
    # then
    assert (settings.smtp_host, settings.smtp_port, settings.smtp_tls) == (
        "127.0.0.1",
        2525,
        "none",
    )
    assert settings.alert_email_to == ("you@localhost",)
    assert settings.sender() == MailAddress("monitor@localhost")


def test_a_mail_server_of_the_user_is_used():
    # when
    given = {"SMTP_HOST": "mail.invalid", "SMTP_FROM": "monitor@mail.invalid"}
    settings = told(given | {"ALERT_EMAIL_TO": "me@mail.invalid"})
    # then
    assert (settings.smtp_host, settings.smtp_port, settings.smtp_tls) == (
        "mail.invalid",
        587,
        "starttls",
    )
    assert settings.alert_email_to == ("me@mail.invalid",)
    assert settings.sender() == MailAddress("monitor@mail.invalid")


def test_a_mail_server_of_the_user_needs_a_sender_before_anything_is_started(tmp_path):
    # given
    own = {"SMTP_HOST": "mail.invalid", "MONITOR_DATA_DIR": str(tmp_path / "data")}
    with socket.create_server(("127.0.0.1", 0)) as taken:  # where else it would go on for ever
        own["MONITOR_API_PORT"] = str(taken.getsockname()[1])
        # when
        with pytest.raises(SettingsError, match="SMTP_FROM"):
            up(load(own, tmp_path / ".env"), own, demo=False)
    # then
    assert not (tmp_path / "data").exists()


def test_the_mailbox_shows_a_sender_of_the_user():
    assert told({"SMTP_FROM": "Shop <m@shop.example>"}).sender().name == "Shop"


def test_loopback_may_be_checked_besides_the_users_networks():
    # when
    settings = told({"MONITOR_ALLOW_NETWORKS": "10.0.0.0/8"})
    # then
    assert [str(n) for n in settings.monitor_allow_networks] == [
        "127.0.0.0/8",
        "::1/128",
        "10.0.0.0/8",
    ]


@pytest.mark.parametrize("given", [{}, {"MONITOR_ALLOW_NETWORKS": "10.0.0.0/8"}])
def test_the_banner_names_the_networks_that_may_be_checked(given, tmp_path):
    # given what the processes of the stack are told
    allowed = [str(network) for network in told(given).monitor_allow_networks]
    # when
    facts = BannerFacts(
        "http://x", "mon_key", DataDirectory(tmp_path), load(given, tmp_path / ".env")
    )
    # then
    assert (
        f"\n  Websites at {', '.join(allowed)} may be watched here; "
        "other private addresses are refused.\n"
    ) in banner(facts)


def test_every_setting_is_present_so_that_no_file_is_read_twice():
    assert {s.name for s in TABLE} <= environment({}, SERVERS, Path("/data")).keys()


def test_a_secret_in_a_file_does_not_conflict_with_the_stacks_own(monkeypatch):
    # given
    monkeypatch.setenv("REDIS_URL_FILE", "/run/secrets/redis_url")
    # then
    assert told({}).redis_url == SERVERS.redis_url


def test_each_process_has_its_region():
    assert {c.name: told({}, c).monitor_region for c in commands()} == {
        "api": None,
        "scheduler": None,
        "central": None,
        "local": "local",
    }


@pytest.fixture
def key_file(tmp_path):
    return tmp_path / "api_key"


async def in_pool(database_url, use):
    async with make_pool(database_url, max_size=1) as pool:
        return await use(pool)


async def test_a_valid_key_is_kept(database_url, key_file):
    # when
    first = await _region_and_key(database_url, key_file)
    second = await _region_and_key(database_url, key_file)
    # then
    assert first == second == key_file.read_text().strip()
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    access = await in_pool(database_url, lambda pool: KeyRing(pool).identify(first))
    assert access.role is Role.ADMIN


async def test_a_revoked_key_is_replaced(database_url, key_file):
    # given
    first = await _region_and_key(database_url, key_file)
    (info,) = await in_pool(database_url, list_keys)
    await in_pool(database_url, lambda pool: revoke_key(pool, info.id))
    # when
    second = await _region_and_key(database_url, key_file)
    # then
    assert info.name == KEY_NAME
    assert second != first
    access = await in_pool(database_url, lambda pool: KeyRing(pool).identify(second))
    assert access.role is Role.ADMIN


@pytest.mark.parametrize("websites", [0, 3])
def test_the_banner_says_how_many_secrets_are_in_the_clear(websites, tmp_path):
    settings = load({}, tmp_path / ".env")
    facts = BannerFacts("http://x", "mon_key", DataDirectory(tmp_path), settings, websites)
    said = "The secrets of 3 websites are stored in the clear" in banner(facts)
    assert (said, "monitor secrets rotate" in banner(facts)) == (websites > 0, websites > 0)


def test_keys_are_joined_each_once_in_their_order():
    assert joined_keys("a, b", "", "b,c") == "a,b,c"
