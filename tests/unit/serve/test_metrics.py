"""Metrics: declared names and labels only, and Prometheus text that a parser takes back."""

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from models.shard.protocol import SegmentStatus, ShardStatus
from serve.metrics import DEFINITIONS, NoMetrics, check, for_this_process, join, render, shard_families

AGENT_PAGE = """
# HELP ray_onefold_requests_total Requests answered, by transport, route template and status.
# TYPE ray_onefold_requests_total counter
ray_onefold_requests_total{Version="2.60.0",WorkerId="%s",route="/v1/batch",status="200",transport="http"} %d.0
# HELP ray_onefold_request_seconds Time to answer a request, in seconds.
# TYPE ray_onefold_request_seconds histogram
ray_onefold_request_seconds_bucket{WorkerId="%s",route="/v1/batch",le="0.1"} 3.0
ray_onefold_request_seconds_bucket{WorkerId="%s",route="/v1/batch",le="+Inf"} 4.0
ray_onefold_request_seconds_count{WorkerId="%s",route="/v1/batch"} 4.0
ray_onefold_request_seconds_sum{WorkerId="%s",route="/v1/batch"} 0.5
# HELP ray_node_cpu_count Total CPUs available on a ray node
# TYPE ray_node_cpu_count gauge
ray_node_cpu_count{ip="127.0.0.1"} 2.0
"""


def page(worker: str, requests: int) -> str:
    return AGENT_PAGE % (worker, requests, worker, worker, worker, worker)


def status(shard: int) -> ShardStatus:
    return ShardStatus(
        shard=shard,
        profiles=7,
        identifiers=9,
        events=40,
        duplicates=2,
        in_flight=1,
        sequence=50,
        settled=49,
        segments={},
        dead_letters=3,
    )


def test_outside_of_ray_nothing_is_counted_and_mistakes_are_still_found() -> None:
    metrics = for_this_process()
    assert isinstance(metrics, NoMetrics)
    metrics.count("onefold_events", 3, type="track", outcome="accepted")
    with pytest.raises(ValueError, match="not a counter"):
        metrics.count("onefold_unheard_of")
    with pytest.raises(ValueError, match="not a histogram"):
        metrics.observe("onefold_events", 1.0, type="track", outcome="accepted")
    with pytest.raises(ValueError, match="takes the labels"):
        metrics.count("onefold_events", email="jane@example.com")


def test_every_metric_says_what_it_is() -> None:
    for name, definition in DEFINITIONS.items():
        assert name.startswith("onefold_")
        assert definition.help.endswith(".")
        check(name, definition.kind, dict.fromkeys(definition.labels, ""))


def test_pages_of_several_nodes_become_one_with_onefolds_own_families_only() -> None:
    text = render(join([page("w1", 5), page("w2", 6), ""]))
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert sorted(families) == ["onefold_request_seconds", "onefold_requests"]
    assert {s.labels["WorkerId"]: s.value for s in families["onefold_requests"].samples} == {"w1": 5, "w2": 6}
    assert "Version" not in text
    assert text.count("# TYPE onefold_requests_total counter") == 1


def test_the_shards_counters_are_told_by_shard() -> None:
    text = render(shard_families({"default": [status(0), status(1)]}, 10))
    samples = {
        (sample.name, sample.labels["shard"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples[("onefold_shard_profiles", "1")] == 7
    assert samples[("onefold_shard_events_total", "0")] == 40
    assert samples[("onefold_shard_dead_letters", "0")] == 3


def test_a_segments_size_is_of_all_shards_and_left_out_where_few_are_in_it() -> None:
    sizes = [{"many": 6, "few": 6, "empty": 0}, {"many": 4, "few": 3, "empty": 0}]
    shards = [
        msgspec.structs.replace(status(n), segments={key: SegmentStatus(count, "live") for key, count in each.items()})
        for n, each in enumerate(sizes)
    ]
    told = {
        sample.labels["segment"]: sample.value
        for family in shard_families({"default": shards}, 10)
        for sample in family.samples
        if sample.name == "onefold_segment_members"
    }
    assert told == {"many": 10, "empty": 0}
