"""What TLS is accepted, and that no Python, OpenSSL or openssl.cnf decides otherwise."""

from __future__ import annotations

import contextlib
import json
import os
import ssl
import subprocess
import sys

import pytest

from monitor.probes.net import tls
from monitor.resources.formats import TLS_VERSIONS
from support import targets_tls

OF_1_3 = ["TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256"]

ELSEWHERE = """
openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = system
[system]
MinProtocol = TLSv1.3
MaxProtocol = TLSv1.2
CipherString = ECDHE-RSA-AES256-GCM-SHA384:@SECLEVEL=3
"""
"""As an administrator may have it for other programs."""

DESCRIBE = """
import json
from monitor.probes.net import tls

def of(context):
    names = [cipher["name"] for cipher in context.get_ciphers()]
    return [names, context.security_level, context.minimum_version, context.maximum_version]

contexts = [tls.verified(), tls.verified(min_version="1.0"), tls.unverified()]
print(json.dumps([of(context) for context in contexts]))
"""


def _described(**environment):
    done = subprocess.run(
        [sys.executable, "-P", "-c", DESCRIBE],
        env=dict(os.environ) | environment, capture_output=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


def test_the_ciphers_are_those_listed_whatever_openssl_has():
    for version, level in (("1.2", 2), ("1.3", 2), ("1.1", 0), ("1.0", 0)):
        context = tls.verified(min_version=version)
        names = [cipher["name"] for cipher in context.get_ciphers()]
        assert names == [*OF_1_3, *tls.CIPHERS]
        assert context.security_level == level


def test_no_cipher_does_without_authentication_or_encryption():
    for name in tls.CIPHERS:
        assert not {"NULL", "ADH", "AECDH", "PSK", "SRP", "RC4", "DES", "MD5"} & set(
            name.split("-")
        )


def test_the_openssl_cnf_of_the_host_changes_nothing(tmp_path):
    elsewhere = tmp_path / "openssl.cnf"
    elsewhere.write_text(ELSEWHERE)
    assert _described(OPENSSL_CONF=str(elsewhere)) == _described(OPENSSL_CONF=os.devnull)


def test_certificates_are_verified_as_strictly_on_every_python():
    context = tls.verified()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.verify_flags == ssl.VerifyFlags.VERIFY_X509_TRUSTED_FIRST
    assert context.check_hostname
    assert not context.hostname_checks_common_name


def test_the_system_s_authorities_are_trusted(monkeypatch, tmp_path):
    store = tmp_path / "ca-certificates.crt"
    store.write_text(targets_tls.trust())
    monkeypatch.setenv("SSL_CERT_FILE", str(store))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "nowhere"))
    assert len(tls.verified().get_ca_certs()) == 1


def test_where_the_system_has_no_authorities_certifi_s_are_trusted(monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nowhere"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "nowhere"))
    assert len(tls.verified().get_ca_certs()) > 50
    assert len(tls.verified(targets_tls.trust()).get_ca_certs()) == 1


def test_an_authority_of_one_s_own_is_trusted_instead():
    assert len(tls.verified(targets_tls.trust()).get_ca_certs()) == 1


def _hello(context, host):
    """What a client's first message offers: its versions and ciphers, the kinds of its extensions,
    and the names, groups, signatures and protocols in them (RFC 8446, section 4.1.2)."""
    outgoing = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=host).do_handshake()
    message = outgoing.read()[9:]
    after_session = 2 + 32 + 1 + message[34]
    length = int.from_bytes(message[after_session : after_session + 2])
    at = after_session + 2 + length + 2
    ciphers, extensions, at = message[after_session + 2 : at - 2], {}, at + 2
    while at < len(message):
        kind, size = (int.from_bytes(message[at + n : at + n + 2]) for n in (0, 2))
        extensions[kind] = message[at + 4 : at + 4 + size]
        at += 4 + size
    secret = {51}  # a key of its own in each
    return message[:2], ciphers, {k: v for k, v in extensions.items() if k not in secret}


@pytest.mark.parametrize("host", ["shop.example", "192.0.2.1"])
def test_a_fast_handshake_begins_as_a_verified_one(host):
    assert _hello(tls.fast(), host) == _hello(tls.verified(), host)


def test_a_fast_context_differs_in_nothing_but_verification():
    fast, verified = tls.fast(), tls.verified()
    assert [c["name"] for c in fast.get_ciphers()] == [*OF_1_3, *tls.CIPHERS]
    for what in ("security_level", "minimum_version", "maximum_version", "options"):
        assert getattr(fast, what) == getattr(verified, what)
    assert (fast.verify_mode, fast.check_hostname) == (ssl.CERT_NONE, False)
    assert fast.cert_store_stats() == {"x509": 0, "crl": 0, "x509_ca": 0}


def test_no_context_renegotiates_or_takes_a_ticket():
    for context in (tls.fast(), tls.verified(), tls.verified(min_version="1.0"), tls.unverified()):
        assert context.options & ssl.OP_NO_RENEGOTIATION
        assert context.options & ssl.OP_NO_TICKET


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("version", TLS_VERSIONS)
def test_every_version_that_a_website_may_name_has_its_contexts(version):
    oldest = ssl.TLSVersion[f"TLSv{version.replace('.', '_')}".removesuffix("_0")]
    assert tls.verified(min_version=version).minimum_version is oldest
    assert tls.unverified(version).minimum_version is oldest


def test_a_context_is_made_once_for_all_websites_of_its_kind():
    contexts = tls.Contexts(targets_tls.trust())
    usual = contexts.get(host="shop.example")
    assert contexts.get(host="blog.example", min_version=None) is usual
    assert contexts.get(host="192.0.2.1", min_version="1.2") is usual
    kinds = [
        contexts.get(verify=verify, min_version=version, host=host)
        for verify in (True, False)
        for version in (None, *TLS_VERSIONS)
        for host in ("a.example", "b.example", "a_b.example", "c_d.example")
    ]
    assert len({id(context) for context in kinds}) == 13


def test_only_for_a_host_with_an_underscore_openssl_is_not_asked_for_the_name():
    contexts = tls.Contexts(targets_tls.trust())
    assert contexts.get(host="shop.example").check_hostname
    own = contexts.get(host="my_shop.example")
    assert (own.check_hostname, own.verify_mode) == (False, ssl.CERT_REQUIRED)
