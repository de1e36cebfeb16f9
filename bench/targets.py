"""The websites that are checked: nginx on many loopback addresses, none other."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from monitor.local import process
from monitor.local.redis import free_port

from . import certificates, mix, names
from .certificates import LEAVES, Certificates, Chain, Subject, Subjects
from .mix import Kind

ADDRESSES = tuple(f"127.{n}.{n * 7 % 256}.{n % 254 + 1}" for n in range(1, 251))
_SILENT, _REFUSED = "127.251.0.1", "127.251.0.2"
ELSEWHERE: dict[str, str | None] = {"silent": _SILENT, "refused": _REFUSED, "nxdomain": None}
"""Families of names that lead to no website."""

_BODY = "<!doctype html><title>up</title>" + "<p>It works.</p>" * 30
_TEMP = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")

_CONFIG = """
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  default_type text/html;
  server_names_hash_max_size 4096;
  {temp}
  ssl_session_cache off; # each check is a handshake of its own: nothing may be resumed
  ssl_session_tickets off;
  {servers}
}}
"""
_SERVER = """
  server {{
    {listens}
    {more}
    location / {{ return 200 '{body}'; }}
    location /flaky/ {{
      if (-f {directory}/failing) {{ return 503; }}
      return 200 '{body}';
    }}
    location /unavailable/ {{ return 503; }}
    {redirect}
  }}"""
# deferred: a connection wakes the website when its request is there, not before
_OWN = "listen {address}:{port}{tls} deferred backlog=4096{default};"
_SHARED = "listen {address}:{port}{tls};"
_TLS = """server_name {name};
    ssl_protocols {version};
    ssl_certificate {pem};
    ssl_certificate_key {pem};"""
_REDIRECT = "location ~ ^/redirect/(.*)$ {{ return 301 https://$host:{port}/site/$1; }}"


@dataclass(frozen=True)
class Served:
    """What is served. ``chain``: of which kind the certificates are, where there is TLS; ``named``:
    asked for by name; ``mixed``: see ``bench.mix``. The first ``flaky`` can be made to fail."""

    chain: Chain | None = None
    named: bool = False
    mixed: bool = False
    flaky: int = 0


@dataclass(frozen=True)
class Targets:
    """Where the websites are. ``port``: over TLS, where they speak it; ``plain_port``: over HTTP,
    where some do and some do not. ``certificates``: as they are served now.

    ``silent``: listens and never answers.
    """

    child: subprocess.Popen[bytes]
    directory: Path
    served: Served
    port: int
    plain_port: int
    certificates: Certificates | None = None
    silent: socket.socket | None = None

    @property
    def store(self) -> Path | None:
        """Whom to trust, where they speak TLS."""
        return None if self.certificates is None else self.certificates.store

    def url(self, number: int) -> str:
        """Of the website with this number; no two are the same."""
        kind = self.kind(number)
        host = _host(number, kind) if self.served.named else _address(number)
        return self._url(number, kind, host)

    def url_by_address(self, number: int) -> str:
        """The same without a name, for who cannot be told which DNS server to ask."""
        return self._url(number, self.kind(number), _address(number))

    def kind(self, number: int) -> Kind:
        """How the website behaves."""
        if self.served.mixed:
            return mix.kind_of(number)
        return "http" if self.served.chain is None else "https"

    def _url(self, number: int, kind: Kind, host: str) -> str:
        plain = kind in ("http", "redirect")
        scheme, port = ("http", self.plain_port) if plain else ("https", self.port)
        folder: str = kind if kind in ("redirect", "unavailable") else "site"
        if number < self.served.flaky:
            folder = "flaky"
        return f"{scheme}://{host}:{port}/{folder}/{number}"

    def close(self) -> None:
        """Give back what is held beside the server's process."""
        if self.silent is not None:
            self.silent.close()

    def fail(self) -> None:
        """From now on the flaky ones answer 503."""
        self._flag.touch()

    def recover(self) -> None:
        """From now on all answer 200 again."""
        self._flag.unlink(missing_ok=True)

    @property
    def _flag(self) -> Path:
        return self.directory / "failing"


def leaf_of(number: int) -> int:
    """Which certificate a named website has: all of them are used by each kind of the mix."""
    return (number + number // 100) % LEAVES


def _host(number: int, kind: Kind) -> str:
    shared = kind in ("http", "https", "redirect", "unavailable")
    return names.host(number, _family(leaf_of(number)) if shared else kind)


def _family(leaf: int) -> str:
    return f"a{leaf}"


def _address(number: int) -> str:
    return ADDRESSES[number % len(ADDRESSES)]


def find_nginx() -> str | None:
    """Debian keeps it where only root looks."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def start(directory: Path, served: Served) -> Targets:
    """Start the server. Raises FileNotFoundError without nginx."""
    program = find_nginx()
    if program is None:
        raise FileNotFoundError("nginx is not installed, and it serves the websites.")
    directory.mkdir()
    # Its workers are a user without rights here: they must be able to look for the file.
    directory.chmod(0o711)
    directory.parent.chmod(0o711)
    shown = _certificates(served.chain).copied_to(directory / "pem") if served.chain else None
    port = free_port()
    plain_port = free_port() if served.mixed else port
    config = directory / "nginx.conf"
    config.write_text(_config(directory, served, shown, port, plain_port), encoding="utf-8")
    with (directory.parent / "target.log").open("ab") as log:
        command: list[str | Path] = [program, "-e", "stderr", "-p", directory, "-c", config]
        child = process.start(command, log=log)
    silent = _silent(port) if served.mixed else None
    return Targets(child, directory, served, port, plain_port, shown, silent)


def _certificates(chain: Chain) -> Certificates:
    """A leaf for each family of names, most of them for an address as well."""
    leaves = (
        Subject((f"*.{names.parent(_family(leaf))}",), ADDRESSES[leaf : leaf + 1])
        for leaf in range(LEAVES)
    )
    expired, another = (Subject((f"*.{names.parent(f)}",)) for f in ("expired", "another"))
    return certificates.kept(chain, Subjects(tuple(leaves), expired, another))


def _silent(port: int) -> socket.socket:
    """A website that nothing comes back from: its queue of connections is soon full, and then not
    even a SYN is answered."""
    listening = socket.socket()
    listening.bind((_SILENT, port))
    listening.listen(0)
    return listening


def _config(
    directory: Path, served: Served, shown: Certificates | None, port: int, plain_port: int
) -> str:
    servers: list[str] = []
    if shown is None or served.mixed:
        servers.append(_plain(directory, plain_port, port))
    if shown is not None:
        servers += _over_tls(directory, shown, port, mixed=served.mixed)
    return _CONFIG.format(
        directory=directory,
        temp=" ".join(f"{name}_temp_path {directory}/{name};" for name in _TEMP),
        servers="".join(servers),
    )


def _plain(directory: Path, port: int, secure_port: int) -> str:
    own = (_OWN.format(address=a, port=port, tls="", default="") for a in ADDRESSES)
    return _server(directory, own, redirect=_REDIRECT.format(port=secure_port))


def _over_tls(directory: Path, shown: Certificates, port: int, *, mixed: bool) -> Iterator[str]:
    """Every certificate at every address, chosen by SNI; without a name the address's own.

    Which versions there are is the address's: nginx takes them from its default server.
    """
    pems = {_family(leaf): shown.leaf(leaf) for leaf in range(LEAVES)}
    if mixed:
        pems |= {"expired": shown.expired, "wrong-name": shown.wrong_name}
    for version, numbers in _by_version().items():
        for family, pem in pems.items():
            listens = (_listen(number, port, family) for number in numbers)
            name = f"*.{names.parent(family)}"
            yield _server(directory, listens, _TLS.format(name=name, version=version, pem=pem))


def _listen(number: int, port: int, family: str) -> str:
    """At an address; the family of the same number is the one of clients without SNI."""
    own = family == _family(number)
    pattern, default = (_OWN, " default_server") if own else (_SHARED, "")
    return pattern.format(address=ADDRESSES[number], port=port, tls=" ssl", default=default)


def _by_version() -> dict[str, list[int]]:
    """Numbers of addresses: three in four are at TLS 1.3, the rest at 1.2."""
    numbers = range(len(ADDRESSES))
    return {
        "TLSv1.2 TLSv1.3": [n for n in numbers if n % 4 != 3],
        "TLSv1.2": [n for n in numbers if n % 4 == 3],
    }


def _server(directory: Path, listens: Iterator[str], more: str = "", redirect: str = "") -> str:
    return _SERVER.format(
        listens="\n    ".join(listens),
        more=more,
        redirect=redirect,
        directory=directory,
        body=_BODY,
    )
