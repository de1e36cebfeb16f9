"""Which hosts a certificate names, and which chains are too weak to be believed."""

from __future__ import annotations

import ssl

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from monitor.probes.net import certificates, tls
from support import hostile_tls, targets_tls

NAMES = [
    ("shop.example", "shop.example", True),
    ("SHOP.example", "shop.EXAMPLE", True),
    ("*.example.org", "shop.example.org", True),
    ("*.example.org", "SHOP.Example.org", True),
    ("*.EXAMPLE.org", "xn--bcher-kva.example.org", True),
    ("*.example.org", "example.org", False),
    ("*.example.org", "a.shop.example.org", False),
    ("*.example.org", "shop.example.com", False),
    ("*.example", "shop.example", False),
    ("*", "shop", False),
    ("s*.example.org", "shop.example.org", False),
    ("*op.example.org", "shop.example.org", False),
    ("a.*.example.org", "a.shop.example.org", False),
    ("*.*.example.org", "a.shop.example.org", False),
    ("example.org", "shop.example.org", False),
    ("shop.example.org", "example.org", False),
    ("shop.example.", "shop.example", False),
    (".example.org", "shop.example.org", False),
    ("shop.example\0.evil.example", "shop.example", False),
]
NAMES_WITH_UNDERSCORES = [
    ("my_shop.example", "my_shop.example", True),
    ("My_Shop.example", "my_shop.EXAMPLE", True),
    ("*.example.org", "my_shop.example.org", True),
    ("*.example.org", "_.example.org", True),
    ("*.my_shop.example", "www.my_shop.example", True),
    ("my_shop.example", "my-shop.example", False),
    ("*.example.org", "a.my_shop.example.org", False),
    ("*.example", "my_shop.example", False),
    ("*", "my_shop", False),
    ("my_*.example.org", "my_shop.example.org", False),
    ("*_shop.example.org", "my_shop.example.org", False),
    ("my_\u212aiosk.example", "my_kiosk.example", False),
    ("*.\u212aiosk.example", "my_shop.kiosk.example", False),
]


@pytest.mark.parametrize(("name", "host", "named"), [*NAMES, *NAMES_WITH_UNDERSCORES])
def test_a_name_is_compared_label_by_label(name, host, named):
    assert certificates.names_host([name], host) is named
    assert certificates.names_host(["another.example", name], host) is named


def test_a_certificate_without_names_names_nobody():
    assert not certificates.names_host([], "my_shop.example")


@pytest.mark.parametrize(("name", "host", "named"), NAMES)
def test_openssl_says_the_same_where_there_is_no_underscore(name, host, named):
    server = targets_tls.named_by_hand(name)
    assert _handshake(tls.verified(targets_tls.trust()), server, host) is named
    assert _handshake(tls.verified(targets_tls.trust(), own_names=True), server, host) is named


def _handshake(client_context: ssl.SSLContext, server_context: ssl.SSLContext, host: str) -> bool:
    """Whether a client, over memory, takes this server for the host. Raises other errors."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(down, up, server_hostname=host)
    server = server_context.wrap_bio(up, down, server_side=True)
    for _ in range(3):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                if error.verify_code != certificates.HOSTNAME_MISMATCH:
                    raise
                return False
    return True


_RSA = rsa.generate_private_key(65537, 2048)


@pytest.mark.parametrize(
    "strong",
    [
        lambda: _RSA,
        lambda: ec.generate_private_key(ec.SECP256R1()),
        ed25519.Ed25519PrivateKey.generate,
    ],
    ids=["rsa", "ec", "ed25519"],
)
def test_a_strong_chain_is_believed(strong):
    assert certificates.weakness([_certificate(strong()), _certificate(_RSA)]) is None


@pytest.mark.parametrize(
    "weak",
    [
        lambda: rsa.generate_private_key(65537, 1024),
        lambda: dsa.generate_private_key(1024),
        lambda: ec.generate_private_key(ec.SECP192R1()),
    ],
    ids=["rsa", "dsa", "ec"],
)
def test_a_short_key_is_refused_wherever_it_is(weak):
    strong, short = _certificate(_RSA), _certificate(weak())
    assert certificates.weakness([short, strong]) == certificates.LEAF_KEY_WEAK
    assert certificates.weakness([strong, short, strong]) == certificates.AUTHORITY_KEY_WEAK
    assert certificates.weakness([strong, strong, short]) == certificates.AUTHORITY_KEY_WEAK


def test_a_signature_with_sha1_is_refused_but_for_that_of_the_root():
    strong = _certificate(_RSA)
    sha1 = hostile_tls.signed_with_sha1(hostile_tls.leaf(_RSA.public_key()))
    assert certificates.weakness([sha1, strong]) == certificates.DIGEST_WEAK
    assert certificates.weakness([strong, sha1, strong]) == certificates.DIGEST_WEAK
    assert certificates.weakness([strong, sha1]) is None


def test_what_cannot_be_read_is_refused():
    strong = _certificate(_RSA)
    assert certificates.weakness([b"\x30\x00", strong]) == certificates.UNREADABLE


def _certificate(key):
    """A certificate in DER that holds this key, with a strong signature."""
    return hostile_tls.leaf(key.public_key()).public_bytes(Encoding.DER)
