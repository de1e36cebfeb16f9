"""Schemathesis over the whole OpenAPI document of an API that really runs, step after step.

How many cases and which: CASES and SEED in the environment (`make test-fuzz`). The same seed makes
the same cases, as far as ids that the API makes up do not decide what comes next.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from monitor.domain.access import Role
from support.served_api import served

CASES = int(os.environ.get("CASES", "5000"))
SEED = int(os.environ.get("SEED", "1"))
_TIME_S = 3600

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "unsupported_method",
    "ignored_auth",
    "missing_required_header",
    "gone_is_gone",
    "ensure_resource_availability",
    "bad_data_refused",
)

_CONFIG = """
[checks.negative_data_rejection]
# Its own, and 414: a query may be too long before anybody looks at what is in it.
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 414, 415, 422, 428, 429, "5xx"]
"""

_OF_THEMSELVES = 1400
"""Cases that the document's own edges make: of each limit the value on it and those beside it."""
_CASES_PER_EXAMPLE = 24
"""Over all operations and phases."""


def test_every_response_conforms_to_the_openapi_document(database_url, redis_url, tmp_path):
    # given
    with served(database_url, redis_url, tmp_path, MONITOR_KEY_REQUESTS_PER_MINUTE="0") as api:
        # when
        told, report = _schemathesis(api, tmp_path)
        # then the key was one to the end, or all the rest were 401
        assert api.http.get("/keys").status_code == 200
    log = (tmp_path / "api.log").read_text()
    assert report["failures"] == [], told
    assert report["errors"] == [], told
    assert report["exit_code"] == 0, told
    assert report["operations"]["tested"] == report["operations"]["total"]
    assert report["test_cases"]["generated"] >= CASES, told
    assert '"level": "error"' not in log
    assert "Traceback" not in log


def _schemathesis(api, directory):
    """(what it printed, its report) of a run against this API."""
    config, out = directory / "schemathesis.toml", directory / "report.json"
    config.write_text(_CONFIG, "utf-8")
    key = api.keys[Role.ADMIN]
    env = os.environ | {
        "SCHEMATHESIS_HOOKS": "hooks",
        "PYTHONPATH": str(Path(__file__).parent),
        "OWN_KEY_ID": key.split("_")[1],
    }
    command = [
        Path(sys.executable).with_name("schemathesis"), f"--config-file={config}",
        "run", f"{api.url}/schema/openapi.json",
        f"--header=Authorization: Bearer {key}",
        f"--checks={','.join(CHECKS)}",
        f"--seed={SEED}",
        f"--max-examples={max(4, round((CASES - _OF_THEMSELVES) / _CASES_PER_EXAMPLE))}",
        "--continue-on-failure", "--generation-database=none", "--no-color",
        f"--report-json-path={out}",
    ]  # fmt: skip
    done = subprocess.run(
        command,
        cwd=directory,
        env=env,
        capture_output=True,
        text=True,
        timeout=_TIME_S,
        check=False,
    )
    assert out.exists(), done.stdout + done.stderr
    return done.stdout, json.loads(out.read_text())
