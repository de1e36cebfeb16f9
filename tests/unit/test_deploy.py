"""What `deploy/` promises: no root, nothing to write on, no capability, no password in a file."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from monitor.probes.net import groups
from monitor.runtime import process
from monitor.runtime.settings import load

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))

HARDENED = [
    "DynamicUser=yes",
    "UMask=0077",
    "NoNewPrivileges=yes",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "PrivateMounts=yes",
    "PrivateUsers=yes",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "ProtectClock=yes",
    "ProtectControlGroups=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "ProtectProc=invisible",
    "LockPersonality=yes",
    "MemoryDenyWriteExecute=yes",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "CapabilityBoundingSet=",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "SystemCallErrorNumber=EPERM",
    "KillMode=mixed",
    "EnvironmentFile=/etc/monitor/monitor.env",
]
MOST_EXPOSED = 1.2
"""Of 10, by `systemd-analyze security`: what is left is the internet, which is our business."""


@pytest.fixture(scope="module")
def services():
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]


@pytest.fixture(scope="module")
def ours(services):
    found = {name: s for name, s in services.items() if s["image"] == "monitor"}
    assert {"api", "migrate", "scheduler", "worker-central", "worker-europe"} <= set(found)
    return found


def _instructions():
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [tuple(line.split(maxsplit=1)) for line in lines]


def test_the_image_runs_as_somebody_who_owns_nothing_in_it():
    instructions = _instructions()
    last = instructions[[i for i, (word, _) in enumerate(instructions) if word == "FROM"][-1] :]

    assert [rest for word, rest in last if word == "USER"] == ["10001:10001"]
    after_user = [word for word, _ in last[[w for w, _ in last].index("USER") :]]
    assert set(after_user) == {"USER", "WORKDIR", "EXPOSE", "CMD"}
    assert all("--chown" not in rest and "chmod" not in rest for _, rest in last)


def test_the_image_is_made_of_one_named_base_and_of_hashed_packages():
    instructions = _instructions()

    assert [rest for word, rest in instructions if word == "ARG"] == [
        "BASE=python:3.13-slim-trixie"
    ]
    assert {rest.split(" AS ")[0] for word, rest in instructions if word == "FROM"} == {"${BASE}"}
    assert not [word for word, _ in instructions if word == "ADD"]
    installs = [rest for word, rest in instructions if word == "RUN" and "pip install" in rest]
    assert len(installs) == 2
    assert all("--require-hashes" in i or "--no-build-isolation --no-deps" in i for i in installs)
    assert not [
        rest for _, rest in instructions if re.search(r"curl|wget|apt-get|pip install -U", rest)
    ]


def test_only_what_the_image_needs_is_sent_to_be_built():
    first, *others = (DEPLOY / "Dockerfile.dockerignore").read_text().split()

    assert first == "*"
    assert {o for o in others if o.startswith("!")} == {
        "!pyproject.toml", "!README.md", "!LICENSE", "!requirements/prod.txt", "!migrations",
        "!src",
    }  # fmt: skip


def test_our_containers_have_no_root_no_capability_and_nothing_to_write_on(ours):
    for name, service in ours.items():
        assert service["user"] == "10001:10001", name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["tmpfs"] == ["/tmp:mode=1777,size=64m,noexec,nosuid,nodev"], name
        assert service["pids_limit"] <= 512, name
        left = {"privileged", "cap_add", "devices", "volumes", "network_mode", "pid", "ipc"}
        assert not left & set(service), name


def test_nobody_gains_privileges_and_nobody_has_the_hosts(services):
    for name, service in services.items():
        assert "no-new-privileges:true" in service["security_opt"], name
        assert not {"privileged", "cap_add", "devices", "network_mode", "pid"} & set(service), name
        assert "docker.sock" not in str(service.get("volumes", "")), name


def test_only_the_api_and_the_mailbox_are_published_and_on_loopback_alone(services):
    published = {name: s["ports"] for name, s in services.items() if "ports" in s}

    assert published == {
        "api": ["127.0.0.1:${MONITOR_API_PORT:-8000}:8000"],
        "mailpit": ["127.0.0.1:8025:8025"],
    }


def test_every_image_has_a_version(services):
    images = {s["image"] for s in services.values()} - {"monitor"}

    assert [
        i for i in images if not re.fullmatch(r"[a-z/]+:v?\d+[\w.-]*(@sha256:[0-9a-f]{64})?", i)
    ] == []


def test_passwords_are_compose_secrets_and_stand_nowhere(services):
    """A URL with a password in it, or a setting that is one, would show in `docker inspect`."""
    text = (DEPLOY / "compose.yaml").read_text()
    assert not re.search(r"://[^/\s:]*:[^/\s@]+@", text)
    for name, service in services.items():
        for setting in service.get("environment", {}):
            if re.search(r"PASS|TOKEN|DATABASE_URL|_KEYS?\b", setting):
                assert setting.endswith("_FILE"), f"{name}: {setting}"
                given = service["environment"][setting].removeprefix("/run/secrets/")
                assert given in service["secrets"], f"{name}: {setting}"


def test_a_regions_worker_knows_no_database_and_shares_no_network_with_it(services, ours):
    regional = {n: s for n, s in ours.items() if "MONITOR_REGION" in s["environment"]}

    assert len(regional) == 2
    for name, service in regional.items():
        assert not [k for k in service["environment"] if k.startswith(("DATABASE", "SMTP"))], name
        assert not set(service["networks"]) & set(services["postgres"]["networks"]), name
        assert service["secrets"] == ["influxdb_token", "encryption_keys"], name


def test_workers_of_regions_alone_get_our_configuration_of_openssl(ours):
    by_service = {name: s["environment"].get("OPENSSL_CONF") for name, s in ours.items()}
    by_unit = {u.name: re.findall(r"^.*OPENSSL_CONF=(.*)$", u.read_text(), re.M) for u in UNITS}
    source = groups.CONFIGURATION.relative_to(DEPLOY.parent)

    assert {n for n, path in by_service.items() if path} == {"worker-europe", "worker-us-east"}
    copied = [rest.split() for word, rest in _instructions() if word == "COPY"]
    assert [str(source), by_service["worker-europe"]] in copied
    assert by_service["worker-europe"] == by_service["worker-us-east"]
    assert by_unit.pop("monitor-worker@.service") == [f"/opt/monitor/{source}"]
    assert set(map(tuple, by_unit.values())) == {()}


def test_what_people_wait_for_goes_first(services):
    regions = {name for name in services if name.startswith("worker-")} - {"worker-central"}
    behind = {name for name, s in services.items() if s.get("cpu_shares", 1024) < 1024}
    assert regions
    assert behind == regions | {"influxdb"}


def test_the_secrets_are_made_once_at_random_and_for_us_alone(tmp_path):
    script = shutil.copy(DEPLOY / "make-secrets.sh", tmp_path)
    declared = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["secrets"]

    made = []
    for _ in range(2):
        subprocess.run([script], check=True, timeout=30)
        made.append({p.name: p.read_text() for p in (tmp_path / "secrets").iterdir()})

    assert made[0] == made[1]
    assert {f"./secrets/{name}" for name in made[0]} == {s["file"] for s in declared.values()}
    assert (tmp_path / "secrets").stat().st_mode & 0o077 == 0
    assert re.fullmatch(r"[0-9a-f]{48}", made[0]["postgres_password"])
    assert made[0]["postgres_password"] in made[0]["database_url"]
    keys = {"MONITOR_ENCRYPTION_KEYS": made[0]["encryption_keys"]}
    assert load(keys, tmp_path / "none").monitor_encryption_keys == (made[0]["encryption_keys"],)
    assert len(set(made[0].values())) == len(made[0])
    ignored = (DEPLOY.parent / ".gitignore").read_text().split()
    assert "deploy/secrets/" in ignored


@pytest.mark.parametrize("unit", UNITS, ids=lambda p: p.name)
def test_each_unit_is_hardened(unit):
    lines = unit.read_text().splitlines()

    assert [wanted for wanted in HARDENED if wanted not in lines] == []
    assert "SystemCallFilter=~@privileged @resources" in lines
    assert "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX" in lines
    assert not [line for line in lines if line.startswith(("User=root", "AmbientCapabilities="))]


def test_among_units_too_what_people_wait_for_goes_first():
    weights = {u.name: re.findall(r"^CPUWeight=(\d+)$", u.read_text(), re.M) for u in UNITS}

    behind = weights.pop("monitor-worker@.service")
    assert behind == ["33"]
    # and not in the slice that systemd makes for units of a template
    assert "Slice=system.slice" in (DEPLOY / "systemd" / "monitor-worker@.service").read_text()
    assert set(map(tuple, weights.values())) == {()}
    assert "CPUWeight=33" in (DEPLOY / "influxdb.conf").read_text()


def test_a_regions_worker_need_not_ask_for_what_its_unit_forbids():
    # setpriority is among @resources, so systemd gives the niceness
    unit = (DEPLOY / "systemd" / "monitor-worker@.service").read_text()

    assert f"Nice={process.REGION_WORKER_NICENESS}\n" in unit


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("unit", UNITS, ids=lambda p: p.name)
def test_systemd_finds_little_left_to_take_from_it(unit):
    said = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", unit],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip

    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", said.stdout)
    assert found, said.stderr
    assert float(found[1]) <= MOST_EXPOSED, said.stdout
