"""Metrics as a Prometheus server reads them."""

from prometheus_client.parser import text_string_to_metric_families as parse

from monitor.domain.access import Role
from monitor.services.workers.installation import CACHE_S


async def samples(api, *, fresh=True):
    """{name: {labels: value}}, as of now."""
    if fresh:
        api.now_s += CACHE_S
    answer = await api.client(Role.READ).get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return read(answer.text)


def read(text):
    """The same of a text: each family is described, and each set of labels is there once."""
    found = {}
    for family in parse(text):
        assert family.documentation, family.name
        for sample in family.samples:
            labels = frozenset(sample.labels.items())
            assert labels not in found.setdefault(sample.name, {}), sample
            found[sample.name][labels] = sample.value
    return found


def value(found, name, **labels):
    return found[name][frozenset(labels.items())]
