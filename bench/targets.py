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

_ADDRESSES = tuple(f"127.{n}.{n * 7 % 256}.{n % 254 + 1}" for n in range(1, 251))
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
    listen {address}:{port};
    location / {{ return 200 '{body}'; }}
  }}"""
_TLS_SERVER = """
  server {{
    listen {address}:{port} ssl;
    ssl_certificate {directory}/{address}.pem;
    ssl_certificate_key {directory}/{address}.pem;
    location / {{ return 200 '{body}'; }}
  }}"""


@dataclass(frozen=True)
class Targets:
    """Where the websites are. ``authority``: the certificate to trust, where they speak TLS."""

    child: subprocess.Popen[bytes]
    port: int
    authority: Path | None

    def url(self, number: int) -> str:
        """Of the website with this number; no two are the same."""
        scheme = "http" if self.authority is None else "https"
        return f"{scheme}://{_ADDRESSES[number % len(_ADDRESSES)]}:{self.port}/site/{number}"


def find_nginx() -> str | None:
    """Debian keeps it where only root looks."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def start(directory: Path, *, https: bool) -> Targets:
    """Start the server. Raises FileNotFoundError without nginx."""
    program = find_nginx()
    if program is None:
        raise FileNotFoundError("nginx is not installed, and it serves the websites.")
    directory.mkdir()
    authority = _certificates(directory) if https else None
    port = free_port()
    config = directory / "nginx.conf"
    config.write_text(_config(directory, port, https=https), encoding="utf-8")
    with (directory.parent / "target.log").open("ab") as log:
        command: list[str | Path] = [program, "-e", "stderr", "-p", directory, "-c", config]
        return Targets(process.start(command, log=log), port, authority)


def _config(directory: Path, port: int, *, https: bool) -> str:
    server = _TLS_SERVER if https else _SERVER
    facts = {"directory": directory, "port": port, "body": _BODY}
    return _CONFIG.format(
        directory=directory,
        temp=" ".join(f"{name}_temp_path {directory}/{name};" for name in _TEMP),
        servers="".join(server.format(address=address, **facts) for address in _ADDRESSES),
    )


def _certificates(directory: Path) -> Path:
    """A certificate for each address, of an authority made for this run; returns its own."""
    made = trustme.CA()
    for address in _ADDRESSES:
        made.issue_cert(address).private_key_and_cert_chain_pem.write_to_path(
            directory / f"{address}.pem"
        )
    made.cert_pem.write_to_path(directory / "authority.pem")
    return directory / "authority.pem"
