"""What the other cases are measured by: a system that nothing happens to makes no mistake."""

import pytest

from support.judge import judge
from support.truth import scripted


@pytest.mark.parametrize(
    "regions", [("europe", "europe"), ("europe", "asia")], ids=["two-hosts", "two-regions"]
)
def test_healthy_system_matches_the_script(faulty, regions):
    with faulty(scripted(1), regions=regions) as system:
        system.compare()
        # and what it says is its own: what goes from the record is missed
        assert system.postgres.rows("DELETE FROM incidents RETURNING 1")
        system.mailbox.mails.append(system.mailbox.mails[0])
        found = judge(system.truth(), system.record())
        assert found.doubled_mails == 1
        assert len(found.complaints) > len(system.script.outages) / 2
