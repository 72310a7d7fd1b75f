"""What the transports count and time, through Ray's own metrics API, and how it comes back as Prometheus text.

Each process hands its figures to the metrics agent of its Ray node every few seconds, where they carry the process's
worker id. `/metrics` on any replica asks the agents of all nodes and passes on what is Onefold's, so one scrape of one
address sees the whole cluster (docs/operations.md). Labels are routes, codes, statuses and types: words of the code or
of the settings, never of a caller; and the tenant. Counting takes 4 microseconds.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol
from urllib.request import urlopen

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import CollectorRegistry

from actors.delivery_store import DeliveryStatus
from actors.tenants import DEFAULT
from models.scoring.drift import LiveDrift
from models.shard.protocol import ShardStatus
from serve import logs

PREFIX = "onefold_"
_RAY_PREFIX = "ray_"
_RAY_LABELS = frozenset({"NodeAddress", "WorkerId"})  # of those that Ray adds, what tells processes apart
_TENANT = "tenant"  # a label of every metric
_SCRAPE_TIMEOUT_S = 2.0
_LATENCY_BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0]

log = logs.logger("metrics")


@dataclass(frozen=True)
class Definition:
    """One metric: its kind, what it says, and the labels that it must be given."""

    kind: Literal["counter", "histogram"]
    help: str
    labels: tuple[str, ...]


DEFINITIONS: Mapping[str, Definition] = {
    "onefold_requests": Definition(
        "counter", "Requests answered, by transport, route template and status.", ("transport", "route", "status")
    ),
    "onefold_request_seconds": Definition("histogram", "Time to answer a request, in seconds.", ("transport", "route")),
    "onefold_events": Definition(
        "counter",
        "Events by type and outcome: accepted (durable), applied (its result was waited for), duplicate, suppressed "
        "(of an erased person), rejected.",
        ("type", "outcome"),
    ),
    "onefold_rejections": Definition("counter", "Events sent to the dead-letter store, by reason.", ("code",)),
    "onefold_withheld_fields": Definition(
        "counter",
        "Fields left out at the door, by source and section, or by the field that a rule names.",
        ("source", "field"),
    ),
    "onefold_free_text_findings": Definition(
        "counter", "What looks like personal data in free text, by source and kind.", ("source", "kind")
    ),
    "onefold_refusals": Definition(
        "counter", "Requests refused before their work began: no or wrong key, scope, rate or size.", ("code",)
    ),
}


class Metrics(Protocol):
    """Where figures go. `RayMetrics` in a cluster; tests bring their own."""

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter of DEFINITIONS; `labels` are exactly those that it declares."""

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Record one value of a histogram of DEFINITIONS."""

    async def exposition(self) -> str:
        """Everything recorded, of the whole cluster where there is one, in Prometheus text format."""


class NoMetrics:
    """Counts nothing: for processes outside of Ray."""

    def of_tenant(self, tenant: str) -> "NoMetrics":
        return self

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        check(name, "counter", labels)

    def observe(self, name: str, value: float, **labels: str) -> None:
        check(name, "histogram", labels)

    async def exposition(self) -> str:
        return ""


class RayMetrics:
    """Ray's metrics API (`ray.util.metrics`), for one tenant. Needs an initialised Ray."""

    def __init__(self, tenant: str = DEFAULT, metrics: Mapping[str, Any] | None = None) -> None:
        """`metrics`: those of this process, if it has made them already."""
        self._tenant = tenant
        self._metrics = _ray_metrics() if metrics is None else metrics

    def of_tenant(self, tenant: str) -> "RayMetrics":
        """The same metrics, for another tenant of this process."""
        return RayMetrics(tenant, self._metrics)

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        check(name, "counter", labels)
        if amount > 0:
            self._metrics[name].inc(amount, {**labels, _TENANT: self._tenant})

    def observe(self, name: str, value: float, **labels: str) -> None:
        check(name, "histogram", labels)
        self._metrics[name].observe(value, {**labels, _TENANT: self._tenant})

    async def exposition(self) -> str:
        pages = await asyncio.gather(*(asyncio.to_thread(_read, address) for address in _agent_addresses()))
        return render(join(pages))


def _ray_metrics() -> dict[str, Any]:
    from ray.util.metrics import Counter, Histogram

    made: dict[str, Any] = {}
    for name, definition in DEFINITIONS.items():
        labels = (*definition.labels, _TENANT)
        if definition.kind == "counter":
            made[name] = Counter(name, definition.help, labels)
        else:
            made[name] = Histogram(name, definition.help, _LATENCY_BUCKETS_S, labels)
    return made


def for_this_process() -> RayMetrics | NoMetrics:
    """`RayMetrics` if Ray runs in this process, else `NoMetrics`."""
    try:
        import ray
    except ImportError:
        return NoMetrics()
    return RayMetrics() if ray.is_initialized() else NoMetrics()


def check(name: str, kind: str, labels: Mapping[str, str]) -> None:
    """Raise ValueError unless `name` is a metric of that kind with exactly these labels."""
    definition = DEFINITIONS.get(name)
    if definition is None or definition.kind != kind:
        raise ValueError(f"{name} is not a {kind} of serve.metrics.DEFINITIONS: define it there")
    if labels.keys() != set(definition.labels):
        raise ValueError(f"{name} takes the labels {definition.labels}, not {tuple(labels)}")


def join(pages: Iterable[str]) -> list[Metric]:
    """The metrics of DEFINITIONS in several agents' pages, each once, without the `ray_` that Ray puts before names."""
    families: dict[str, Metric] = {}
    for page in pages:
        for family in text_string_to_metric_families(page):
            name = family.name.removeprefix(_RAY_PREFIX)
            definition = DEFINITIONS.get(name)
            if definition is None:
                continue
            kept = _RAY_LABELS.union(definition.labels, [_TENANT, "le"])
            whole = families.setdefault(name, Metric(name, family.documentation, family.type))
            for sample in family.samples:
                labels = {label: value for label, value in sample.labels.items() if label in kept}
                whole.add_sample(sample.name.removeprefix(_RAY_PREFIX), labels, sample.value)
    return list(families.values())


def shard_families(tenants: Mapping[str, Sequence[ShardStatus]], min_count: int) -> list[Metric]:
    """The shards' own counters, as each tenant's tell them at this moment. Everybody may read them: the size of a
    segment with fewer than `min_count` people, but some, is left out."""
    gauges = {
        "profiles": "Profiles held.",
        "identifiers": "Identifiers in the index.",
        "in_flight": "Events taken in and not yet applied.",
        "sequence": "Sequence number of the latest stored event.",
        "settled": "Every event up to this sequence number has been applied.",
        "dead_letters": "Messages in the dead-letter store, not yet replayed.",
        "resident_bytes": "Memory of the shard's process.",
        "pending_matches": "Profiles whose record changed and that matching has not looked at yet.",
        "pending_match_ms": "How long the oldest of them has waited, in milliseconds.",
        "reviews": "Open reviews.",
        "unloaded": "Profiles that segments cannot be counted over yet, after a start.",
        "moves": "Moves of many people that some profiles are still to take over.",
    }
    counters = {"events": "Events applied.", "duplicates": "Events dropped because their message id was known."}
    counters["reviews_left_out"] = "Reviews not opened because the shard had too many."
    labels = [_TENANT, "shard"]
    families: dict[str, Metric] = {
        name: GaugeMetricFamily(f"{PREFIX}shard_{name}", text, labels=labels) for name, text in gauges.items()
    }
    families |= {
        name: CounterMetricFamily(f"{PREFIX}shard_{name}", text, labels=labels) for name, text in counters.items()
    }
    for tenant, shards in tenants.items():
        for status in shards:
            for name, family in families.items():
                family.add_metric([tenant, str(status.shard)], getattr(status, name))  # type: ignore[attr-defined]
    return [*families.values(), *_segment_families(tenants), _sizes(tenants, min_count)]


def _segment_families(tenants: Mapping[str, Sequence[ShardStatus]]) -> list[Metric]:
    """Where each segment stands at each shard."""
    labels = [_TENANT, "shard", "segment"]
    late = GaugeMetricFamily(f"{PREFIX}segment_late_ms", "How far behind time the segment is.", labels=labels)
    state = GaugeMetricFamily(
        f"{PREFIX}segment_state", "1 for the state that the segment is in.", labels=[*labels, "state"]
    )
    for tenant, status in ((tenant, status) for tenant, shards in tenants.items() for status in shards):
        for segment_id, segment in sorted(status.segments.items()):
            own = [tenant, str(status.shard), segment_id]
            late.add_metric(own, segment.late_ms)
            state.add_metric([*own, segment.state], 1)
    return [late, state]


def _sizes(tenants: Mapping[str, Sequence[ShardStatus]], min_count: int) -> Metric:
    """How many are in each segment, over all shards of a tenant: at one shard a few of many are too few."""
    family = GaugeMetricFamily(f"{PREFIX}segment_members", "People in the segment.", labels=[_TENANT, "segment"])
    for tenant, shards in tenants.items():
        sizes: Counter[str] = Counter()
        for status in shards:
            sizes.update({segment_id: segment.members for segment_id, segment in status.segments.items()})
        for segment_id, members in sorted(sizes.items()):
            if members >= min_count or not members:
                family.add_metric([tenant, segment_id], members)
    return family


def drift_families(tenants: Mapping[str, Mapping[str, LiveDrift]]) -> list[Metric]:
    """How far people are from those that versions of models learned from, by the version's reference."""
    family = GaugeMetricFamily(
        f"{PREFIX}model_drift",
        "Stability index of a feature, or of the scores (value), since the version learned; 0 for no change.",
        labels=[_TENANT, "model", "feature"],
    )
    for tenant, versions in tenants.items():
        for reference, found in sorted(versions.items()):
            for feature, index in found.indices.items():
                family.add_metric([tenant, reference, feature], index)
    return [family]


def webhook_families(tenants: Mapping[str, Sequence[DeliveryStatus]]) -> list[Metric]:
    """How deliveries to each webhook go at this moment. What the shards did not say is left out."""
    counters = {
        "delivered": "Messages that the receiver took.",
        "failed": "Attempts that failed.",
        "retried": "Attempts that were not a message's first.",
        "dead_lettered": "Messages that were given up.",
    }
    gauges = {
        "waiting": "Messages that will be tried again.",
        "dead": "Messages that were given up and not replayed.",
        "behind": "Entries and exits that it has not come to yet, counted to a thousand.",
        "late_ms": "Age of the oldest of them, in milliseconds.",
    }
    labels = [_TENANT, "webhook"]
    each = [(tenant, status) for tenant, webhooks in tenants.items() for status in webhooks]
    families: list[Metric] = []
    for kind, texts in ((CounterMetricFamily, counters), (GaugeMetricFamily, gauges)):
        for name, text in texts.items():
            family = kind(f"{PREFIX}webhook_{name}", text, labels=labels)
            for tenant, status in each:
                value = getattr(status, name)
                if value is not None:
                    family.add_metric([tenant, status.webhook_id], value)
            families.append(family)
    disabled = GaugeMetricFamily(
        f"{PREFIX}webhook_gone", "1 if its receiver ended deliveries.", labels=[_TENANT, "webhook"]
    )
    for tenant, status in each:
        disabled.add_metric([tenant, status.webhook_id], bool(status.disabled_because))
    return [*families, disabled]


def render(families: Iterable[Metric]) -> str:
    """Prometheus text format (version 0.0.4)."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Fixed(list(families)))
    return generate_latest(registry).decode()


class _Fixed:
    """A collector of families that are already made."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _agent_addresses() -> list[str]:
    """Host and port of the metrics agent of each live node."""
    import ray

    return [
        f"{node['NodeManagerAddress']}:{node['MetricsExportPort']}"
        for node in ray.nodes()
        if node["Alive"] and node["MetricsExportPort"]
    ]


def _read(address: str) -> str:
    """The agent's page; empty if it does not answer (a node that is going away)."""
    try:
        with urlopen(f"http://{address}/metrics", timeout=_SCRAPE_TIMEOUT_S) as response:  # nosec B310
            page: bytes = response.read()
            return page.decode()
    except OSError:
        log.warning("a metrics agent did not answer")
        return ""
