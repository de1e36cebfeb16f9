"""The address of a caller, as the limits count it and the audit log has it."""

import pytest

from support.served_api import served
from support.stack import wait_until

FORGED = ["203.0.113.7", "<script>alert(1)</script>", "x" * 9000, "::1"]


def _address(api, **headers):
    """The address that the audit log has of a request with these headers."""
    made = api.http.post("/websites", json={"url": "https://a.example"}, headers=headers)
    assert made.status_code == 201, made.text
    (entry,) = api.http.get("/audit", params={"object": made.json()["id"]}).json()["items"]
    return entry["address"]


def _refused(api, tries):
    """How many wrong keys, each from another forged address, are refused as too many."""
    statuses = []
    for n in range(tries):
        headers = {"Authorization": "Bearer nonsense", "X-Forwarded-For": f"203.0.113.{n}"}
        statuses.append(api.http.get("/websites", headers=headers).status_code)
    assert set(statuses) <= {401, 429}
    return statuses.count(429)


def test_without_trusted_proxies_a_caller_is_who_connects(database_url, redis_url, tmp_path):
    with served(database_url, redis_url, tmp_path, MONITOR_WRONG_KEYS_PER_MINUTE="3") as api:
        for forged in FORGED:
            assert _address(api, **{"X-Forwarded-For": forged}) == "127.0.0.1"
            assert _address(api, Forwarded=f'for="{forged}"') == "127.0.0.1"
        assert _refused(api, 10) == 7
        log = (tmp_path / "api.log").read_text()
        assert log.count("forwarding.not_trusted") == 1
        assert "MONITOR_TRUSTED_PROXIES=127.0.0.1" in log


@pytest.mark.parametrize("name", ["MONITOR_TRUSTED_PROXIES", "FORWARDED_ALLOW_IPS"])
def test_behind_a_trusted_proxy_a_caller_is_who_it_names(database_url, redis_url, tmp_path, name):
    more = {name: "127.0.0.1", "MONITOR_WRONG_KEYS_PER_MINUTE": "3"}
    with served(database_url, redis_url, tmp_path, **more) as api:
        assert _address(api, **{"X-Forwarded-For": "1.1.1.1, 203.0.113.7:80"}) == "203.0.113.7"
        assert _address(api, Forwarded='for="[2001:DB8::7]:80"') == "2001:db8::7"
        assert _address(api, **{"X-Forwarded-For": FORGED[1]}) == "127.0.0.1"
        assert _address(api) == "127.0.0.1"
        assert _refused(api, 10) == 0
        warned = "FORWARDED_ALLOW_IPS is now called MONITOR_TRUSTED_PROXIES"
        log = tmp_path / "api.log"
        if name == "FORWARDED_ALLOW_IPS":
            wait_until(lambda: warned in log.read_text())
        else:
            assert warned not in log.read_text()
        assert "forwarding." not in log.read_text()
