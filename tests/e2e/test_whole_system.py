"""The product as its users see it: real processes, real servers, real websites on loopback."""

import time
from contextlib import ExitStack

import pytest

from support.system import eventually
from support.targets import (
    answers,
    by_path,
    hangs_up,
    redirects,
    refusing_port,
    resets,
    silent,
    targets_in_thread,
)
from support.targets_tls import self_signed

_INTERVAL_S = 30
_CONFIRMED_S = _INTERVAL_S + 15 + 15
"""A change is seen at the next check, confirmed 15 s later, and told: with room for slowness."""


@pytest.fixture
def site():
    with targets_in_thread() as target:
        yield target


def test_two_hundred_websites_each_get_their_verdict(system):
    # given 200 websites that answer, refuse, hang, redirect, break and fail TLS
    with ExitStack() as stack:
        routes = {"/moved": redirects("/there"), "/there": answers(200), "/broken": answers(503)}
        routes |= {f"/{n}": answers(200) for n in range(100)}
        fine = stack.enter_context(targets_in_thread(by_path(routes)))
        hanging = stack.enter_context(targets_in_thread(silent))
        resetting = stack.enter_context(targets_in_thread(resets))
        leaving = stack.enter_context(targets_in_thread(hangs_up))
        looping = stack.enter_context(targets_in_thread(redirects("/")))
        distrusted = stack.enter_context(targets_in_thread(tls=self_signed("127.0.0.1")))
        refusing = stack.enter_context(refusing_port())
        kinds = {
            "up": [fine.url_of(f"/{n}") for n in range(100)],
            "moved": [fine.url_of("/moved")] * 20,
            "http_status": [fine.url_of("/broken")] * 20,
            "connection_refused": [f"http://127.0.0.1:{refusing}/"] * 10,
            "response_timeout": [hanging.url] * 10,
            "connection_reset": [resetting.url] * 5 + [leaving.url] * 5,
            "too_many_redirects": [looping.url] * 10,
            "tls_untrusted": [distrusted.url] * 20,
        }
        expected = {}
        for kind, urls in kinds.items():
            for n, url in enumerate(urls):
                timeout = 2 if kind == "response_timeout" else 5
                added = system.add(url, name=f"{kind} {n}", request_timeout=timeout)
                expected[added] = None if kind in ("up", "moved") else kind
        assert len(expected) == 200

        # when each was checked, and the failing ones once more
        def settled():
            found = system.statuses()
            want = {i: "down" if reason else "up" for i, reason in expected.items()}
            return all(found[i]["status"] == status for i, status in want.items())

        eventually(settled, within_s=_CONFIRMED_S)

        # then every reason is the right one, and every failing website has its one mail
        found = system.statuses()
        reasons = {i: found[i]["regions"][0]["reason"] for i in expected}
        assert reasons == expected
        failing = [i for i, reason in expected.items() if reason]
        eventually(lambda: all(_mails(system, i) >= 1 for i in failing), within_s=20)
        assert [_mails(system, i) for i in failing] == [1] * len(failing)
        assert all(system.checks(i) >= 1 for i in expected)
        for website in expected:
            assert system.api.delete(f"/websites/{website}").status_code == 204


def _mails(system, website):
    return len(system.mailbox.about(website))


def test_a_new_website_is_checked_within_ten_seconds(system, site):
    website = system.add(site.url, check_frequency=86_400)
    eventually(lambda: system.status(website) == "up", within_s=10)


def test_hanging_websites_delay_no_other_check(system, site):
    # given more websites that never answer than a worker has threads, each in a batch of its own
    with targets_in_thread(silent) as hanging:
        slow = [
            system.add(hanging.url, request_timeout=60, check_frequency=100 + n) for n in range(20)
        ]
        eventually(lambda: hanging.open >= len(slow), within_s=20)
        # when another one comes
        website = system.add(site.url)
        # then it is checked at once, and at its next slots
        eventually(lambda: system.status(website) == "up", within_s=10)
        checked = site.accepted
        eventually(lambda: site.accepted >= checked + 1, within_s=_INTERVAL_S + 15)
        for each in slow:
            assert system.api.delete(f"/websites/{each}").status_code == 204


def test_a_website_that_fails_and_recovers_is_one_incident_and_two_mails(system, site):
    # given
    website = system.add(site.url, name="Shop", alert_emails=["owner@example.com"])
    eventually(lambda: system.status(website) == "up", within_s=10)
    # when it fails
    failed_at = time.time()
    site.behaviour = answers(503)
    eventually(lambda: system.status(website) == "down", within_s=_CONFIRMED_S)
    (down,) = system.mailbox.wait_for(website, 1, within_s=5)
    assert "Shop" in down
    assert "503" in down
    assert "europe" in down
    open_now = system.api.get(f"/monitor/{website}/last_downtime").json()
    assert open_now["resolved_at"] is None
    # and recovers
    site.behaviour = answers(200)
    eventually(lambda: system.status(website) == "up", within_s=_CONFIRMED_S)
    _, up = system.mailbox.wait_for(website, 2, within_s=5)
    assert "Shop" in up
    # then
    (downtime,) = system.api.get(f"/monitor/{website}/downtime").json()["items"]
    assert downtime["cause"] == "http_status"
    assert downtime["regions"] == ["europe"]
    assert 0 < downtime["duration_s"] <= time.time() - failed_at + 1
    mails = [m for m in system.mailbox.mails if website in m.get_body(("plain",)).get_content()]
    assert [m["To"] for m in mails] == ["owner@example.com"] * 2
    assert mails[1]["In-Reply-To"] == mails[0]["Message-ID"]


def test_what_the_owner_changes_counts_from_the_next_check(system):
    # given four websites that are up
    with ExitStack() as stack:
        paused, deleted, patched, control = (
            stack.enter_context(targets_in_thread()) for _ in range(4)
        )
        ids = [system.add(t.url) for t in (paused, deleted, patched, control)]
        eventually(lambda: all(system.status(i) == "up" for i in ids), within_s=10)
        # when one is paused, one deleted, one given another URL
        assert system.api.patch(f"/websites/{ids[0]}", json={"paused": True}).status_code == 200
        assert system.api.delete(f"/websites/{ids[1]}").status_code == 204
        new_url = patched.url_of("/new")
        assert system.api.patch(f"/websites/{ids[2]}", json={"url": new_url}).status_code == 200
        eventually(lambda: any(r.target == "/new" for r in patched.requests), within_s=10)
        before = paused.accepted, deleted.accepted, len(patched.requests)
        # then two more checks of the fourth later
        checked = control.accepted
        eventually(lambda: control.accepted >= checked + 2, within_s=3 * _INTERVAL_S)
        assert (paused.accepted, deleted.accepted) == before[:2]
        assert all(r.target == "/new" for r in patched.requests[before[2] :])
        assert system.status(ids[0]) == "paused"
        assert system.api.get(f"/websites/{ids[1]}").status_code == 404
        # and a website that is resumed is checked again at once
        system.api.patch(f"/websites/{ids[0]}", json={"paused": False})
        eventually(lambda: system.status(ids[0]) == "up", within_s=10)


def test_two_schedulers_check_each_website_once_a_slot(system, site):
    # given
    website = system.add(site.url)
    # when three slots have passed
    eventually(lambda: site.accepted >= 4, within_s=5 * _INTERVAL_S)
    system.api.patch(f"/websites/{website}", json={"paused": True})
    # then each check that reached the site is one tick, and no two came in one slot
    eventually(lambda: system.checks(website) == site.accepted, within_s=10)


def test_system_recovers_after_every_process_was_killed(system, site):
    # given
    website = system.add(site.url)
    eventually(lambda: system.status(website) == "up", within_s=10)
    # when everything dies at once, and starts again
    for name in system.commands:
        system.kill(name)
    site.behaviour = answers(500)
    for name in system.commands:
        system.start(name)
    # then the failure is found and told, once
    system.mailbox.wait_for(website, 1, within_s=_CONFIRMED_S + 60)
    site.behaviour = answers(200)
    system.mailbox.wait_for(website, 2, within_s=_CONFIRMED_S + 30)
    eventually(lambda: system.status(website) == "up", within_s=20)
    assert _mails(system, website) == 2
    assert len(system.api.get(f"/monitor/{website}/downtime").json()["items"]) == 1


def test_workers_and_scheduler_stop_within_five_seconds(system):
    # given a worker in the middle of a check that takes long
    with targets_in_thread(silent) as hanging:
        website = system.add(hanging.url, request_timeout=29)
        eventually(lambda: hanging.open >= 1, within_s=15)
        # when
        took = {name: system.stop(name) for name in ("europe", "central-1", "scheduler-1")}
        # then
        for name in took:
            system.start(name)
        assert max(took.values()) < 5, took
        assert system.api.delete(f"/websites/{website}").status_code == 204
