"""The groups of TLS handshakes: set by a file of ours that keeps what the system's says."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys

import pytest

from monitor.probes.net.groups import CONFIGURATION, OFFERED, in_client_hello

SEEN = """
import hashlib, json, ssl
from monitor.probes.net.groups import offered

def knows(name):
    try:
        return bool(hashlib.new(name, b""))
    except ValueError:
        return False

context = ssl.create_default_context()
names = [c["name"] for c in context.get_ciphers() if c["protocol"] == "TLSv1.3"]
print(json.dumps({"groups": offered(), "ciphers": names, "md4": knows("md4")}))
"""

UPSTREAM = """
openssl_conf = openssl_init
[openssl_init]
providers = provider_sect
[provider_sect]
default = default_sect
[default_sect]
activate = 1
"""

DEBIAN = """
HOME = .
openssl_conf = openssl_init
[openssl_init]
ssl_conf = ssl_sect
[ssl_sect]
system_default = system_default_sect
[system_default_sect]
Groups = X448
Ciphersuites = TLS_AES_128_GCM_SHA256
"""

FEDORA = """
openssl_conf = openssl_init
[openssl_init]
providers = provider_sect
ssl_conf = ssl_module
[provider_sect]
default = default_sect
legacy = default_sect
[default_sect]
activate = 1
[ssl_module]
system_default = crypto_policy
[crypto_policy]
Groups = X448
Ciphersuites = TLS_AES_128_GCM_SHA256
"""

OWN_NAMES = """
openssl_conf = all
[all]
ssl_conf = tls
[tls]
system_default = system
[system]
Groups = P-384
"""


def seen(configuration):
    """What a process with this OPENSSL_CONF offers and has."""
    done = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", SEEN],
        env=dict(os.environ) | {"OPENSSL_CONF": str(configuration)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


@pytest.fixture
def including(tmp_path):
    """Our file, on a system whose own one holds this text; None: it has none."""

    def make(text, path="/etc/ssl/openssl.cnf"):
        ours, systems = tmp_path / "ours.cnf", tmp_path / "system.cnf"
        elsewhere = CONFIGURATION.read_text().replace("/etc/", f"{tmp_path}/etc/")
        assert f"{tmp_path}{path}" in elsewhere
        ours.write_text(elsewhere.replace(f"{tmp_path}{path}", str(systems)))
        if text is not None:
            systems.write_text(text)
        return ours, systems

    return make


def test_our_file_sets_the_groups_on_this_system():
    assert tuple(seen(CONFIGURATION)["groups"]) == OFFERED


def test_a_process_without_it_keeps_those_of_openssl():
    # X448 is among them in every OpenSSL from 1.1.1 to 3.5
    assert 30 in seen("/nonexistent/openssl.cnf")["groups"]


@pytest.mark.parametrize("text", [None, "", UPSTREAM], ids=["none", "empty", "upstream"])
def test_a_system_that_says_nothing_of_tls_gets_the_groups(including, text):
    ours, _ = including(text)
    assert tuple(seen(ours)["groups"]) == OFFERED


@pytest.mark.parametrize(
    ("text", "path"),
    [(DEBIAN, "/etc/ssl/openssl.cnf"), (FEDORA, "/etc/pki/tls/openssl.cnf")],
    ids=["debian", "fedora"],
)
def test_what_the_system_says_of_tls_is_kept_but_for_the_groups(including, text, path):
    ours, systems = including(text, path)
    alone, both = seen(systems), seen(ours)
    assert alone["groups"] == [30]
    assert tuple(both["groups"]) == OFFERED
    assert both["ciphers"] == alone["ciphers"] == ["TLS_AES_128_GCM_SHA256"]


def test_the_providers_of_the_system_are_kept(including):
    ours, systems = including(FEDORA, "/etc/pki/tls/openssl.cnf")
    if not seen(systems)["md4"]:
        pytest.skip("this OpenSSL has no legacy provider")
    assert seen(ours)["md4"]
    assert not seen(CONFIGURATION)["md4"]


def test_sections_of_an_administrator_s_own_are_left_as_they_are(including):
    ours, _ = including(OWN_NAMES)
    assert seen(ours)["groups"] == [24]


def test_what_is_no_client_hello_is_refused():
    for record in (b"", b"\x16\x03\x01", bytes(48)):
        with pytest.raises((IndexError, struct.error)):
            in_client_hello(record)
