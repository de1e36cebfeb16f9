"""Settings are read once, checked at once, and say in one sentence what is wrong."""

from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.errors import SettingsError
from monitor.resources.mail_address import MailAddress
from monitor.runtime import settings as declared
from monitor.runtime.settings import TABLE, load, parse, raw_values

NO_FILE = Path("/nonexistent/.env")


def test_defaults_need_nothing():
    # when
    settings = load({}, NO_FILE)
    # then
    assert (settings.monitor_api_port, settings.smtp_tls, settings.database_url) == (
        8000,
        "starttls",
        None,
    )


def test_the_environment_wins_over_the_file(tmp_path):
    # given
    file = tmp_path / ".env"
    file.write_text("MONITOR_API_PORT=8001\nMONITOR_REGION=europe\n")
    # when
    settings = load({"MONITOR_API_PORT": "8002"}, file)
    # then
    assert (settings.monitor_api_port, settings.monitor_region) == (8002, "europe")


def test_an_empty_value_in_the_environment_hides_the_files(tmp_path):
    # given
    file = tmp_path / ".env"
    file.write_text("MONITOR_REGION=europe\n")
    # when
    settings = load({"MONITOR_REGION": ""}, file)
    # then
    assert settings.monitor_region is None


def test_a_dollar_in_the_file_is_a_dollar(tmp_path):
    # given
    file = tmp_path / ".env"
    file.write_text("SMTP_PASS='pa${HOME}ss'\n")
    # then
    assert raw_values({}, file) == {"SMTP_PASS": "pa${HOME}ss"}


def test_a_file_that_is_no_text_is_said_so(tmp_path):
    # given
    file = tmp_path / ".env"
    file.write_bytes(b"\xff\xfe")
    # then
    with pytest.raises(SettingsError, match=r"\.env cannot be read"):
        load({}, file)


def test_values_take_their_types():
    # when
    settings = load(
        {
            "MONITOR_ALLOW_NETWORKS": "10.0.0.0/8, ::1/128",
            "MONITOR_CORS_ORIGINS": "https://status.example, http://localhost:3000",
            "MONITOR_CONNECTIVITY_TARGETS": "192.0.2.1:443,[2001:db8::1]:53",
            "MONITOR_DNS_SERVERS": "192.0.2.53, 192.0.2.53:5353, 2001:db8::53, [2001:db8::53]:53",
            "ALERT_EMAIL_TO": " a@example.org;Ops <b@b\u00fccher.example> A@example.org\n",
            "SMTP_FROM": "Monitor <monitor@example.org> ",
            "DATABASE_URL": "postgresql://postgres@/monitor?host=%2Ftmp%2Fa%20b",
        },
        NO_FILE,
    )
    # then
    assert settings.monitor_cors_origins == ("https://status.example", "http://localhost:3000")
    assert settings.monitor_allow_networks == (ip_network("10.0.0.0/8"), ip_network("::1/128"))
    assert settings.monitor_connectivity_targets == (("192.0.2.1", 443), ("2001:db8::1", 53))
    assert settings.monitor_dns_servers[2:] == ("2001:db8::53", "[2001:db8::53]:53")
    assert settings.alert_email_to == ("a@example.org", "b@xn--bcher-kva.example")
    assert settings.smtp_from == MailAddress("monitor@example.org", "Monitor")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://host/db"),
        ("DATABASE_URL", "postgresql:///monitor"),
        ("DATABASE_URL", "postgresql://host:port/monitor"),
        ("REDIS_URL", "redis://"),
        ("REDIS_URL", "unix://"),
        ("INFLUXDB_URL", "http://"),
        ("INFLUXDB_URL", "influx.example.org"),
        ("INFLUXDB_URL", "http://user:hunter2@host"),
        ("SMTP_PORT", "0"),
        ("SMTP_PORT", "70000"),
        ("SMTP_TLS", "ssl"),
        ("SMTP_FROM", "monitor"),
        ("SMTP_FROM", "a@example.org, b@example.org"),
        ("SMTP_FROM", "j\u00f6rg@example.org"),
        ("SMTP_FROM", "Monitor <monitor@example.org"),
        ("SMTP_FROM", "Monitor\r\nBcc: b@example.org <monitor@example.org>"),
        ("ALERT_EMAIL_TO", "a@example.org,b"),
        ("ALERT_EMAIL_TO", " ; ,"),
        ("ALERT_EMAIL_TO", "a@example.org|b@example.org"),
        ("ALERT_EMAIL_TO", "a@example.org b@"),
        ("ALERT_EMAIL_TO", "a@example.org:b@example.org"),
        ("MONITOR_REGION", "Europe"),
        ("MONITOR_REGION", "-"),
        ("MONITOR_API_PORT", "80a"),
        ("MONITOR_API_PORT", "-1"),
        ("MONITOR_DNS_SERVERS", "resolver.example.org"),
        ("MONITOR_DNS_SERVERS", "192.0.2.1:dns"),
        ("MONITOR_CONNECTIVITY_TARGETS", "192.0.2.1"),
        ("MONITOR_CONNECTIVITY_TARGETS", ":443"),
        ("MONITOR_ALLOW_NETWORKS", "10.0.0.1/8"),
        ("MONITOR_ALLOW_NETWORKS", "intranet"),
        ("MONITOR_CORS_ORIGINS", "*"),
        ("MONITOR_CORS_ORIGINS", "null"),
        ("MONITOR_CORS_ORIGINS", "status.example"),
        ("MONITOR_CORS_ORIGINS", "https://*.example"),
        ("MONITOR_CORS_ORIGINS", "https://status.example/"),
        ("MONITOR_CORS_ORIGINS", "https://status.example:443"),
        ("MONITOR_CORS_ORIGINS", "https://u:p@status.example"),
        ("MONITOR_CORS_ORIGINS", "HTTPS://STATUS.example"),
        ("MONITOR_CORS_ORIGINS", "https://ä.example"),
        ("MONITOR_CORS_ORIGINS", "https://a.example,ftp://b.example"),
        ("MONITOR_LOG_LEVEL", "loud"),
    ],
)
def test_a_malformed_value_is_one_sentence_that_names_the_setting(name, value):
    # when
    with pytest.raises(SettingsError) as caught:
        load({name: value}, NO_FILE)
    # then
    sentence = str(caught.value)
    assert sentence.startswith(f"{name} must ")
    assert sentence.endswith(".")
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"SMTP_HOST": "mail.example.org", "SMTP_USER": "u"}, "SMTP_PASS"),
        ({"SMTP_HOST": "mail.example.org", "SMTP_PASS": "hunter2"}, "SMTP_USER"),
        ({"SMTP_USER": "u", "SMTP_PASS": "hunter2"}, "SMTP_HOST"),
        ({"INFLUXDB_TOKEN": "hunter2"}, "INFLUXDB_URL"),
    ],
)
def test_settings_that_need_each_other_are_named(environ, named):
    # when
    with pytest.raises(SettingsError, match=named) as caught:
        load(environ, NO_FILE)
    # then
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("environ", "sender"),
    [
        ({"SMTP_USER": "alerts@example.org", "SMTP_PASS": "x"}, "alerts@example.org"),
        ({"SMTP_FROM": "m@example.org"}, "m@example.org"),
        (
            {"SMTP_USER": "alerts@example.org", "SMTP_PASS": "x", "SMTP_FROM": "m@example.org"},
            "m@example.org",
        ),
        (
            {"SMTP_USER": "alerts@b\u00fccher.example", "SMTP_PASS": "x"},
            "alerts@xn--bcher-kva.example",
        ),
    ],
)
def test_the_login_is_the_sender_where_no_other_is_named(environ, sender):
    settings = load({"SMTP_HOST": "mail.example.org"} | environ, NO_FILE)
    assert settings.sender() == MailAddress(sender)


@pytest.mark.parametrize("environ", [{}, {"SMTP_USER": "u", "SMTP_PASS": "hunter2"}])
def test_without_an_address_to_send_from_the_setting_is_named(environ):
    # given: a region worker has nothing to send, and starts
    settings = load({"SMTP_HOST": "mail.example.org"} | environ, NO_FILE)
    # when
    with pytest.raises(SettingsError, match=r"^SMTP_FROM is not set .*\.$") as caught:
        settings.sender()
    # then
    assert "hunter2" not in str(caught.value)


def test_a_missing_setting_is_named_with_its_purpose():
    # given
    settings = load({}, NO_FILE)
    # then
    with pytest.raises(SettingsError, match=r"REDIS_URL is not set \(Redis: every process\)"):
        settings.need("REDIS_URL")


@pytest.fixture
def warnings(caplog):
    """What is logged of old names, as in a process that has read no settings yet."""
    declared._warn_of_old_name.cache_clear()
    yield lambda: [record.getMessage() for record in caplog.records]
    declared._warn_of_old_name.cache_clear()


def test_an_old_name_goes_on_working_and_is_warned_of_once(warnings):
    # when
    settings = [load({"MONITOR_REFERENCES": "192.0.2.1:443"}, NO_FILE) for _ in range(2)]
    # then
    assert [s.monitor_connectivity_targets for s in settings] == [(("192.0.2.1", 443),)] * 2
    (warning,) = warnings()
    assert warning == (
        "MONITOR_REFERENCES is now called MONITOR_CONNECTIVITY_TARGETS; the old name still "
        "works. Rename it."
    )


def test_the_new_name_wins_over_the_old_one(warnings):
    # when
    both = {"MONITOR_REFERENCES": "old:1", "MONITOR_CONNECTIVITY_TARGETS": "new:1"}
    # then
    assert load(both, NO_FILE).monitor_connectivity_targets == (("new", 1),)
    assert warnings() == []


def test_the_environment_wins_over_the_file_by_an_old_name_too(tmp_path, warnings):
    # given
    file = tmp_path / ".env"
    file.write_text("MONITOR_CONNECTIVITY_TARGETS=file:1\n")
    # then
    settings = load({"MONITOR_REFERENCES": "environment:1"}, file)
    assert settings.monitor_connectivity_targets == (("environment", 1),)


def test_a_malformed_value_of_an_old_name_is_refused(warnings):
    with pytest.raises(SettingsError, match="MONITOR_CONNECTIVITY_TARGETS must be host:port"):
        load({"MONITOR_REFERENCES": "192.0.2.1"}, NO_FILE)


def test_an_empty_old_name_in_the_environment_hides_the_files(tmp_path):
    file = tmp_path / ".env"
    file.write_text("MONITOR_REFERENCES=192.0.2.1:443\n")
    assert load({}, file).monitor_connectivity_targets == (("192.0.2.1", 443),)
    assert load({"MONITOR_REFERENCES": ""}, file).monitor_connectivity_targets == ()


@pytest.mark.parametrize("name", ["MONITOR_TRUSTED_PROXIES", "FORWARDED_ALLOW_IPS"])
@pytest.mark.parametrize(
    ("text", "networks"),
    [
        ("", []),
        ("127.0.0.1", ["127.0.0.1/32"]),
        ("10.0.0.0/8, ::1", ["10.0.0.0/8", "::1/128"]),
        ("*", ["0.0.0.0/0", "::/0"]),
    ],
)
def test_proxies_are_named_by_address_or_network(name, text, networks):
    assert list(map(str, load({name: text}, NO_FILE).monitor_trusted_proxies)) == networks


@pytest.mark.parametrize("text", ["proxy.example", "10.0.0.1/8", "loopback"])
def test_a_proxy_is_not_named_otherwise(text):
    with pytest.raises(SettingsError, match="MONITOR_TRUSTED_PROXIES must be networks like"):
        load({"MONITOR_TRUSTED_PROXIES": text}, NO_FILE)


BLANK = st.text(st.sampled_from(" \t\r\n\u00a0"), max_size=3)

TEXTS = {
    "INFLUXDB_TOKEN": "a-token==", "SMTP_PASS": "pass word", "MONITOR_REGION": "europe",
    "MONITOR_API_PORT": "8001", "MONITOR_DATA_DIR": "/a b", "SMTP_TLS": "tls",
    "INFLUXDB_URL": "http://127.0.0.1:8086", "REDIS_URL": "redis://127.0.0.1/0",
    "DATABASE_URL": "postgresql://a@b/c", "MONITOR_CORS_ORIGINS": "https://a.example",
    "MONITOR_ENCRYPTION_KEYS": "A" * 43 + "=",
}  # fmt: skip


@given(st.sampled_from(sorted(TEXTS)), BLANK, BLANK)
def test_blanks_round_a_value_are_cut(name, before, after):
    # given
    setting = next(s for s in TABLE if s.name == name)
    text = setting_text({name: f"{before}{TEXTS[name]}{after}"}, setting)
    # then
    assert text == TEXTS[name]
    assert parse(setting, text) == parse(setting, TEXTS[name])


def setting_text(environ, setting):
    return raw_values(environ, NO_FILE)[setting.name]


@pytest.mark.parametrize("name", [s.name for s in TABLE])
def test_a_value_of_blanks_is_none(name):
    assert raw_values({name: " \t\n"}, NO_FILE) == {}
    assert getattr(load({name: " \n"}, NO_FILE), name.lower()) == getattr(
        load({}, NO_FILE), name.lower()
    )


def test_a_secret_in_the_environment_may_end_in_a_line_break_as_one_in_a_file(tmp_path):
    # given
    file = tmp_path / "token"
    file.write_text("a-token==\n")
    url = {"INFLUXDB_URL": "http://127.0.0.1:8086"}
    # then
    for variables in ({"INFLUXDB_TOKEN": "a-token==\n"}, {"INFLUXDB_TOKEN_FILE": f"{file}\n"}):
        assert load(url | variables, NO_FILE).influxdb_token == "a-token=="


@pytest.mark.parametrize("name", [s.name for s in TABLE])
@pytest.mark.parametrize("character", ["\n", "\r", "\t", "\x00", "\x1b", "\x7f", "\x85"])
def test_control_characters_are_refused_by_name_in_every_setting(name, character):
    # when
    with pytest.raises(SettingsError) as caught:
        load({name: f"hun{character}ter2"}, NO_FILE)
    # then
    sentence = str(caught.value)
    assert sentence.startswith(f"{name} must not hold control characters, and number 4 is one")
    assert f"(U+{ord(character):04X})" in sentence
    assert not any(c in sentence for c in "\n\r\t\x1b")
    if next(s.secret for s in TABLE if s.name == name):
        assert "hun" not in sentence
