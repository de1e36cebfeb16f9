"""The servers of the fault tests break as they are told to, and come back where they were."""

import smtplib

import psycopg
import pytest
import redis as redis_client

from support.breakable import start_influx, start_postgres, start_redis
from support.influx import need_influxd
from support.mailbox import CUT, HANG, Mailbox


@pytest.fixture
def postgres(template, servers_directory, tmp_path):
    directory = servers_directory / f"postgres-{tmp_path.name}"
    server = start_postgres(template, directory, tmp_path / "postgres.log")
    yield server
    server.close()


@pytest.fixture
def redis(servers_directory, tmp_path):
    server = start_redis(servers_directory / f"redis-{tmp_path.name}", tmp_path / "redis.log")
    yield server
    server.close()


def test_postgres_paused_keeps_its_connections_and_answers_nothing(postgres):
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        # when
        postgres.pause()
        with pytest.raises(psycopg.errors.ConnectionTimeout):
            psycopg.connect(postgres.url, connect_timeout=2)
        # then
        postgres.resume()
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("how", ["kill", "restart"])
def test_postgres_comes_back_with_what_was_committed(postgres, how):
    # given
    with psycopg.connect(postgres.url) as connection:
        connection.execute("INSERT INTO regions (name) VALUES ('europe')")
        connection.commit()
        connection.execute("INSERT INTO regions (name) VALUES ('asia')")
        # when
        if how == "restart":
            postgres.restart()
        else:
            postgres.kill()
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(postgres.url)
            postgres.start()
        # then
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    assert postgres.rows("SELECT name FROM regions") == [("europe",)]


def test_redis_pauses_dies_and_comes_back_on_its_port_with_what_it_had(redis):
    with redis.client() as client:
        url = redis.url
        client.set("some", "thing")
        # when it is paused
        redis.pause()
        with (
            redis_client.Redis.from_url(url, socket_timeout=0.5) as other,
            pytest.raises(redis_client.TimeoutError),
        ):
            other.ping()
        redis.resume()
        assert client.get("some") == b"thing"
        # and killed
        redis.kill()
        with pytest.raises(redis_client.ConnectionError):
            client.ping()
        redis.start()
        # then
        assert redis.url == url
        assert client.get("some") == b"thing"


def test_influx_comes_back_on_its_port(tmp_path):
    need_influxd()
    server = start_influx(tmp_path / "influx")
    try:
        url = server.url
        server.kill()
        server.start()
        server.restart()
        assert server.url == url
    finally:
        server.close()


def test_the_mailbox_refuses_comes_back_and_replies_as_told():
    with Mailbox() as mailbox:

        def send():
            with smtplib.SMTP("127.0.0.1", mailbox.port, timeout=2) as client:
                client.sendmail("a@example.com", ["b@example.com"], "Subject: x\r\n\r\nHello")

        send()
        mailbox.refuse()
        with pytest.raises(ConnectionRefusedError):
            send()
        mailbox.listen()
        send()
        mailbox.reply = lambda _envelope: "451 later"
        with pytest.raises(smtplib.SMTPDataError):
            send()
        assert len(mailbox.mails) == 2
        mailbox.reply = lambda _envelope: CUT
        with pytest.raises(smtplib.SMTPServerDisconnected):
            send()
        assert len(mailbox.mails) == 3
        mailbox.reply = lambda _envelope: HANG
        with pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"):
            send()
        assert len(mailbox.mails) == 3
