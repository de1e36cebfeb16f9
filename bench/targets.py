"""The websites that are checked: nginx on many loopback addresses, none other."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import trustme

from monitor.local import process
from monitor.local.redis import free_port

from . import names

ADDRESSES = tuple(f"127.{n}.{n * 7 % 256}.{n % 254 + 1}" for n in range(1, 251))
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
  {temp}
  ssl_session_cache off; # each check is a handshake of its own: nothing may be resumed
  ssl_session_tickets off;
  {servers}
}}
"""
_SERVER = """
  server {{
    # deferred: a connection wakes the website when its request is there, not before
    listen {address}:{port} deferred backlog=4096{tls};
    location / {{ return 200 '{body}'; }}
    location /flaky/ {{
      if (-f {directory}/failing) {{ return 503; }}
      return 200 '{body}';
    }}
  }}"""
_TLS = """ ssl;
    ssl_certificate {directory}/{address}.pem;
    ssl_certificate_key {directory}/{address}.pem"""


@dataclass(frozen=True)
class Targets:
    """Where the websites are. ``authority``: the certificate to trust, where they speak TLS.

    ``named``: they are asked for by names of ``bench.names``. The first ``flaky`` of them can be
    made to fail, all at once.
    """

    child: subprocess.Popen[bytes]
    directory: Path
    port: int
    authority: Path | None
    named: bool
    flaky: int

    def url(self, number: int) -> str:
        """Of the website with this number; no two are the same."""
        host = names.host(number, len(ADDRESSES)) if self.named else _address(number)
        return self._url(number, host)

    def url_by_address(self, number: int) -> str:
        """The same without a name, for who cannot be told which DNS server to ask."""
        return self._url(number, _address(number))

    def _url(self, number: int, host: str) -> str:
        scheme = "http" if self.authority is None else "https"
        folder = "flaky" if number < self.flaky else "site"
        return f"{scheme}://{host}:{self.port}/{folder}/{number}"

    def fail(self) -> None:
        """From now on the flaky ones answer 503."""
        self._flag.touch()

    def recover(self) -> None:
        """From now on all answer 200 again."""
        self._flag.unlink(missing_ok=True)

    @property
    def _flag(self) -> Path:
        return self.directory / "failing"


def _address(number: int) -> str:
    return ADDRESSES[number % len(ADDRESSES)]


def find_nginx() -> str | None:
    """Debian keeps it where only root looks."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def start(directory: Path, *, https: bool, named: bool = False, flaky: int = 0) -> Targets:
    """Start the server. Raises FileNotFoundError without nginx."""
    program = find_nginx()
    if program is None:
        raise FileNotFoundError("nginx is not installed, and it serves the websites.")
    directory.mkdir()
    # Its workers are a user without rights here: they must be able to look for the file.
    directory.chmod(0o711)
    directory.parent.chmod(0o711)
    authority = _certificates(directory) if https else None
    port = free_port()
    config = directory / "nginx.conf"
    config.write_text(_config(directory, port, https=https), encoding="utf-8")
    with (directory.parent / "target.log").open("ab") as log:
        command: list[str | Path] = [program, "-e", "stderr", "-p", directory, "-c", config]
        child = process.start(command, log=log)
    return Targets(child, directory, port, authority, named, flaky)


def _config(directory: Path, port: int, *, https: bool) -> str:
    return _CONFIG.format(
        directory=directory,
        temp=" ".join(f"{name}_temp_path {directory}/{name};" for name in _TEMP),
        servers="".join(_server(directory, port, address, https=https) for address in ADDRESSES),
    )


def _server(directory: Path, port: int, address: str, *, https: bool) -> str:
    tls = _TLS.format(directory=directory, address=address) if https else ""
    return _SERVER.format(address=address, port=port, tls=tls, body=_BODY, directory=directory)


def _certificates(directory: Path) -> Path:
    """A certificate for each address and its names, of an authority made for this run."""
    made = trustme.CA()
    for index, address in enumerate(ADDRESSES):
        issued = made.issue_cert(address, f"*.{names.parent(index)}")
        issued.private_key_and_cert_chain_pem.write_to_path(directory / f"{address}.pem")
    made.cert_pem.write_to_path(directory / "authority.pem")
    return directory / "authority.pem"
