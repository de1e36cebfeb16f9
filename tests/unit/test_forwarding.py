"""Whose address a request comes from, with proxies in front and liars behind them."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.api.forwarding import ForwardedClients, forwarded_hops, parse_address

PROXIES = [ip_network(n) for n in ("10.0.0.0/8", "127.0.0.1/32", "2001:db8:ffff::/48")]
XFF, FWD = "X-Forwarded-For", "Forwarded"


def client(peer, *headers, trusted=PROXIES):
    """The client's address as text. ``headers``: (name, value)."""
    sent = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    found = ForwardedClients(trusted).client(parse_address(peer), sent)
    return None if found is None else str(found)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ([(XFF, "203.0.113.7")], "203.0.113.7"),
        # what stands left of the first that is not trusted was sent by the client
        ([(XFF, "1.1.1.1, 203.0.113.7")], "203.0.113.7"),
        ([(XFF, "10.9.9.9, 203.0.113.7")], "203.0.113.7"),
        ([(XFF, "<script>, 203.0.113.7")], "203.0.113.7"),
        ([(XFF, "203.0.113.7, 10.0.0.2, 10.0.0.3")], "203.0.113.7"),
        ([(XFF, "1.1.1.1"), (XFF, "203.0.113.7,10.0.0.2")], "203.0.113.7"),
        # all are trusted: the client is one of them
        ([(XFF, "10.0.0.3, 10.0.0.2")], "10.0.0.3"),
        # ports, brackets, quotes, and IPv4 in IPv6
        ([(XFF, "203.0.113.7:4711")], "203.0.113.7"),
        ([(XFF, "2001:DB8:0::7")], "2001:db8::7"),
        ([(XFF, "[2001:db8::7]:4711")], "2001:db8::7"),
        ([(XFF, '"[2001:db8::7]"')], "2001:db8::7"),
        ([(XFF, "::ffff:203.0.113.7, ::ffff:10.0.0.2")], "203.0.113.7"),
        # what is no address says nothing: the last that is known counts
        ([(XFF, "<script>alert(1)</script>")], "10.0.0.1"),
        ([(XFF, "x" * 9000)], "10.0.0.1"),
        ([(XFF, "203.0.113.7, unknown, 10.0.0.2")], "10.0.0.2"),
        ([(XFF, "")], "10.0.0.1"),
        ([], "10.0.0.1"),
        # RFC 7239, sections 4, 6 and 7
        ([(FWD, "for=203.0.113.7")], "203.0.113.7"),
        ([(FWD, 'For="[2001:db8:cafe::17]:4711"')], "2001:db8:cafe::17"),
        ([(FWD, "for=203.0.113.7;proto=http;by=10.0.0.1")], "203.0.113.7"),
        ([(FWD, 'for=1.1.1.1, for="203.0.113.7:_p";by="_x", for=10.0.0.2')], "203.0.113.7"),
        ([(FWD, "for=1.1.1.1"), (FWD, " , for=203.0.113.7 ,,")], "203.0.113.7"),
        ([(FWD, "for=2001:db8::7")], "2001:db8::7"),
        ([(FWD, "for=203.0.113.7, for=_hidden")], "10.0.0.1"),
        ([(FWD, "for=203.0.113.7, for=unknown, for=10.0.0.2")], "10.0.0.2"),
        ([(FWD, "proto=https")], "10.0.0.1"),
        # an open quote swallows nothing, and two values in one element are none
        ([(FWD, 'for="x, for=203.0.113.7')], "10.0.0.1"),
        ([(FWD, 'for=1.1.1.1, for="x, for=203.0.113.7')], "10.0.0.1"),
        ([(FWD, 'for=1.1.1.1;x=", for="[2001:db8::7]"')], "10.0.0.1"),
        ([(FWD, 'for="x'), (FWD, "for=203.0.113.7")], "203.0.113.7"),
        ([(FWD, "for=1.1.1.1;for=203.0.113.7")], "10.0.0.1"),
        # both headers: the proxy passes on the one that it does not set
        ([(FWD, "for=203.0.113.7"), (XFF, "1.1.1.1, 203.0.113.7")], "203.0.113.7"),
        ([(FWD, "for=1.1.1.1"), (XFF, "203.0.113.7")], "10.0.0.1"),
    ],
)
def test_a_trusted_proxy_names_its_client(sent, expected):
    assert client("10.0.0.1", *sent) == expected


@pytest.mark.parametrize("peer", ["203.0.113.9", "127.0.0.2", "::1", "2001:db8::1"])
@pytest.mark.parametrize("header", [(XFF, "1.1.1.1"), (FWD, "for=1.1.1.1")])
def test_nobody_else_is_believed(peer, header):
    assert client(peer, header) == peer


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "10.0.0.1"])
def test_by_default_nobody_is(peer):
    assert client(peer, (XFF, "1.1.1.1"), trusted=()) == peer


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("::ffff:10.0.0.1", "203.0.113.7"),
        ("2001:db8:ffff::1", "203.0.113.7"),
        ("", None),
        ("/run/monitor.sock", None),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_a_peer_is_an_ip_address_or_nobody(peer, expected):
    assert client(peer, (XFF, "203.0.113.7")) == expected


def test_a_header_of_a_peer_that_is_not_trusted_is_logged_once(capsys):
    clients = ForwardedClients(PROXIES)
    for n in range(3):
        clients.client(ip_address(f"192.0.2.{n}"), [(b"x-forwarded-for", b"1.1.1.1")])
        clients.client(
            ip_address("10.0.0.1"),
            [(b"x-forwarded-for", b"1.1.1.1"), (b"forwarded", b"for=2.2.2.2")],
        )
    shown = capsys.readouterr().out
    assert shown.count("forwarding.not_trusted") == 1
    assert "MONITOR_TRUSTED_PROXIES=192.0.2.0" in shown
    assert shown.count("forwarding.contradiction") == 1


HOPS = st.sampled_from(["203.0.113.7", "10.0.0.2", "_x", '"[2001:db8::7]:1"', "unknown"])
LIES = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=60)


@example('for="', "203.0.113.7")
@example('for=1.1.1.1, for="', "203.0.113.7")
@example("for=1.1.1.1;x=\\", "203.0.113.7")
@given(LIES, HOPS)
def test_no_client_can_write_what_a_proxy_appends(lie, hop):
    # given a proxy that appends to what the client sent, on the same line
    appended = client("10.0.0.1", (FWD, f"for={hop}"))
    # then the client can spoil it, but not put an address of its choice there
    assert client("10.0.0.1", (FWD, f"{lie}, for={hop}")) in _from(lie, hop, appended)


def _from(lie, hop, appended):
    if hop == "10.0.0.2":  # trusted: what it was sent counts, too
        told = [a for a in forwarded_hops(lie) if a is not None] or [None]
        return {appended, "10.0.0.1", str(told[-1])}
    return {appended, "10.0.0.1"}


@given(LIES, st.sampled_from([XFF, FWD]))
def test_any_header_gives_an_ip_address(value, name):
    assert ip_address(client("10.0.0.1", (name, value)))
