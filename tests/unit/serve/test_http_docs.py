"""docs/api-http.md and docs/operations.md say what the code does."""

import re
from pathlib import Path

from actors import errors as actor_errors
from actors.delivery_store import DeliveryStatus
from actors.errors import OnefoldError
from models.scoring.drift import LiveDrift
from models.shard.protocol import SegmentStatus, ShardStatus
from serve import errors
from serve.http_scopes import SCOPES
from serve.metrics import DEFINITIONS, drift_families, shard_families, webhook_families

DOCS = Path(__file__).parents[3] / "docs"


def test_every_route_is_listed_with_its_scope() -> None:
    text = (DOCS / "api-http.md").read_text()
    listed = dict(re.findall(r"^\| `([A-Z]+ \S+)` \| (\w+) \|$", text, re.MULTILINE))
    assert listed == {f"{method} {path}": scope for (method, path), scope in SCOPES.items()}


def test_every_error_code_is_listed_with_its_status() -> None:
    text = (DOCS / "api-http.md").read_text()
    listed = {
        code: int(row[0])
        for row in re.findall(r"^\| (\d{3}) \| (.*?) \|", text, re.MULTILINE)
        for code in re.findall(r"`(\w+)`", row[1])
    }
    kinds = [kind for module in (actor_errors, errors) for kind in vars(module).values()]
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, OnefoldError):
            assert listed[kind.code] == errors.http_status(kind("message")), kind


def test_every_metric_is_listed_with_its_labels() -> None:
    text = (DOCS / "operations.md").read_text()
    listed = {
        name: set(re.findall(r"`(\w+)`", labels))
        for name, labels in re.findall(r"^\| `(onefold_\w+)` \| (.*?) \|", text, re.MULTILINE)
    }
    expected = {
        name + ("_total" if definition.kind == "counter" else ""): set(definition.labels)
        for name, definition in DEFINITIONS.items()
    }
    status = ShardStatus(0, 0, 0, 0, 0, 0, 0, 0, {"s": SegmentStatus(1, "live")}, 0)
    drifted = drift_families({"t": {"m@1": LiveDrift(1, 1, {"f": 0.5})}})
    for family in [*shard_families({"t": [status]}, 1), *webhook_families({"t": [DeliveryStatus("w")]}), *drifted]:
        expected |= {sample.name: set(sample.labels) - {"tenant"} for sample in family.samples}
        assert all(sample.labels["tenant"] == "t" for sample in family.samples)
    assert listed == expected
