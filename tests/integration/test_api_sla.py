"""Availability reports over the API: the figures, the window, pages, CSV, and what is refused."""

NOBODY = "0197a000-0000-7000-8000-00000000000a"


async def test_a_website_that_was_never_measured(api):
    await api.add_regions("europe")
    made = await api.add_website(check_frequency=60)
    api.now_s += 600
    sla = await api.get(f"/websites/{made['id']}/sla")
    assert sla
