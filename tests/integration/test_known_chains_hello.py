"""A server cannot tell a fast handshake from a verified one by what it is offered."""

from __future__ import annotations

import struct

import pytest

from monitor.domain.outcome import Result
from support.factories import check_options
from support.scripted_tls import ScriptedServer
from support.targets_loops import on_both_loops
from support.tls_known import probers
from support.tls_situations import HOST, Act, once, whole

SNI, SESSION_TICKET, PRE_SHARED_KEY, EARLY_DATA, KEY_SHARE, ALPN = 0, 35, 41, 42, 51, 16


def parsed(hello):
    """Version, session id's length, ciphers and extensions in order (RFC 8446, section 4.1.2)."""
    at = 5 + 4
    version = hello[at : at + 2]
    at += 2 + 32
    session = hello[at]
    at += 1 + session
    (size,) = struct.unpack_from(">H", hello, at)
    ciphers = hello[at + 2 : at + 2 + size]
    at += 2 + size
    at += 1 + hello[at] + 2
    extensions = []
    while at < len(hello):
        kind, size = struct.unpack_from(">HH", hello, at)
        extensions.append((kind, hello[at + 4 : at + 4 + size]))
        at += 4 + size
    return version, session, ciphers, extensions


def comparable(hello):
    """Without what is random: the group of the key share stays."""
    *rest, extensions = parsed(hello)
    return rest, [(k, v[2:6] if k == KEY_SHARE else v) for k, v in extensions]


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@on_both_loops
async def test_the_hello_of_every_handshake_is_the_same(version):
    acts = [Act(chain=once(whole)) for _ in range(2)]
    async with probers() as pair, ScriptedServer() as server:
        for made in pair:
            for act in (acts[0], acts[0], acts[1], acts[1]):
                server.serve(act.served(version))
                outcome = await made.check(check_options(server.url(HOST)))
                assert outcome.result is Result.UP

    # one more than there were checks: the second connection of the one whose chain had changed
    assert len(server.hellos) == 9
    first = comparable(server.hellos[0])
    assert [comparable(hello) for hello in server.hellos] == [first] * 9


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@on_both_loops
async def test_no_handshake_offers_to_go_on_with_an_earlier_one(version):
    async with probers() as pair, ScriptedServer() as server:
        server.serve(Act(chain=once(whole)).served(version))
        for made in pair:
            for _ in range(3):
                for verify in (True, False):
                    options = check_options(server.url(HOST), verify_ssl=verify)
                    assert (await made.check(options)).result is Result.UP

    assert len(server.hellos) == 12
    for hello in server.hellos:
        extensions = dict(parsed(hello)[3])
        assert not extensions.get(SESSION_TICKET)
        assert PRE_SHARED_KEY not in extensions
        assert EARLY_DATA not in extensions
        assert extensions[SNI].endswith(HOST.encode())
        assert extensions[ALPN] == b"\x00\x09\x08http/1.1"
