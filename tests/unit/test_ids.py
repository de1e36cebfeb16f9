"""Ids: random ones sort by time, derived ones are the same every time."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from monitor.domain import ids


@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_uuid7_has_its_version_its_variant_and_its_time(unix_ms, entropy):
    made = ids.uuid7(unix_ms, entropy)
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"
    assert made.int >> 80 == unix_ms


def test_uuid7_sorts_by_creation():
    assert ids.uuid7(1, b"\xff" * 10) < ids.uuid7(2, b"\0" * 10)


def test_derived_ids_depend_on_all_they_are_derived_from():
    website, other = UUID(int=1), UUID(int=2)
    incident = ids.incident_id(website, 100)
    assert incident == ids.incident_id(website, 100)
    made = {
        incident,
        ids.incident_id(website, 101),
        ids.incident_id(other, 100),
        ids.notification_id(incident, "opened", "email", "a@example.com"),
        ids.notification_id(incident, "resolved", "email", "a@example.com"),
        ids.notification_id(incident, "opened", "email", "b@example.com"),
    }
    assert len(made) == 6
