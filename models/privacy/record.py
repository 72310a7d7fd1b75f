"""The record of processing activities (GDPR article 30), made from the configuration that is in force.

It says what the service is set up to do: for what purposes, on what basis, with which data, for whom, for how long, and
how that is kept safe. What no configuration knows (names of officers, contracts, where machines are) is the operator's
to add.
"""

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import msgspec

from models.delivery.webhook import Webhook
from models.privacy.purposes import DataScope, Purpose, Purposes
from models.privacy.residency import Crossing, Region, Residency
from models.privacy.settings import PrivacySettings

EVERYTHING_ELSE = "whatever no other purpose names"


class PurposeEntry(msgspec.Struct, frozen=True):
    """A purpose, its basis, and its data."""

    id: str
    name: str
    description: str
    basis: str
    data: list[str]  # "traits: income, segment_*"
    retention: str


class RecordRecipient(msgspec.Struct, frozen=True):
    """Who is told of people, or may read them."""

    kind: str  # webhook, api_key
    id: str
    who: str  # host of a webhook, name of a key
    purpose: str
    automated_decision: bool = False
    region: str = ""  # where it is, with residency


class ProcessingRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The record."""

    controller: str
    processor_domain: str
    purposes: list[PurposeEntry]
    data_categories: dict[str, list[str]]  # label -> its data
    people: list[str]
    recipients: list[RecordRecipient]
    sources: list[str]
    retention: dict[str, str]
    region: str  # where the service is; "" without residency
    regions: dict[str, list[str]]  # region -> who belongs there: "countries: AT, DE"
    transfers: list[Crossing]  # out of its region, that are permitted
    security: dict[str, str]


def record_of(
    settings: PrivacySettings,
    webhooks: Sequence[Webhook],
    readers: Sequence[RecordRecipient],
    sources: Sequence[str],
    security: Mapping[str, str],
    residency: Residency,
) -> ProcessingRecord:
    """The record of a service with these settings. `readers` are API keys that may read people."""
    purposes = settings.purposes
    told = [
        RecordRecipient(
            "webhook",
            each.id,
            urlsplit(each.url).hostname or "",
            each.purpose,
            each.automated_decision,
            each.region,
        )
        for each in webhooks
        if each.enabled
    ]
    return ProcessingRecord(
        controller=settings.controller_id,
        processor_domain=settings.processor_domain,
        purposes=[_purpose(name, each, purposes) for name, each in purposes.known.items()],
        data_categories={label: _data(scope) for label, scope in purposes.labels.items()},
        people=_people(purposes),
        recipients=[*told, *readers],
        sources=sorted({*sources, *(name for name in settings.sources if name != "*")}),
        retention=_retention(settings),
        region=residency.region,
        regions={name: _belongs(each) for name, each in residency.regions.items()},
        transfers=list(residency.crossings()),
        security={
            **security,
            "identity of requesters": "noted before work begins" if settings.require_verification else "not asked for",
            "fields that sources may deliver": f"{len(settings.sources)} lists, {len(settings.fields)} rules",
            "personal data in free text": settings.free_text,
        },
    )


def to_markdown(record: ProcessingRecord) -> str:
    """The record as a document."""
    lines = ["# Record of processing activities", "", f"Controller: {record.controller}  "]
    lines += [f"Processor's domain: {record.processor_domain or 'this machine'}", "", "## Purposes", ""]
    lines += _table(
        ("purpose", "basis", "data", "retention"),
        [(each.name or each.id, each.basis, "; ".join(each.data), each.retention) for each in record.purposes],
    )
    lines += ["", "## Categories of data", "", *_items({k: "; ".join(v) for k, v in record.data_categories.items()})]
    lines += ["", "## Categories of people", "", *(f"- {each}" for each in record.people)]
    lines += ["", "## Recipients", ""]
    lines += _table(
        ("kind", "id", "who", "purpose", "automated decisions", "region"),
        [
            (
                each.kind,
                each.id,
                each.who,
                each.purpose or "default",
                "yes" if each.automated_decision else "no",
                each.region or record.region or "not stated",
            )
            for each in record.recipients
        ],
    )
    lines += ["", "## Sources", "", *(f"- {each}" for each in record.sources)]
    lines += ["", "## Retention", "", *_items(record.retention)]
    lines += ["", "## Regions", "", f"The service is in: {record.region or 'not stated'}", ""]
    lines += _items({name: "; ".join(belongs) for name, belongs in record.regions.items()})
    lines += ["", "## Transfers", ""]
    lines += _table(
        ("transfer", "mechanism", "reference"), [(x.rule, x.mechanism, x.reference) for x in record.transfers]
    )
    lines += ["", "## Security", "", *_items(record.security), ""]
    return "\n".join(lines)


def _purpose(name: str, purpose: Purpose, purposes: Purposes) -> PurposeEntry:
    data = _data(purpose.data) + ([EVERYTHING_ELSE] if name == purposes.default else [])
    return PurposeEntry(
        id=name,
        name=purpose.name,
        description=purpose.description,
        basis=purpose.basis,
        data=data,
        retention=_days(purpose.retention_days),
    )


def _data(scope: DataScope) -> list[str]:
    kinds = {"traits": scope.traits, "events": scope.events, "sections": scope.sections}
    return [f"{kind}: {', '.join(names)}" for kind, names in kinds.items() if names]


def _belongs(region: Region) -> list[str]:
    kinds = {"countries": region.countries, "sources": region.sources}
    return [f"{kind}: {', '.join(names)}" for kind, names in kinds.items() if names] or ["whoever else is sent there"]


def _people(purposes: Purposes) -> list[str]:
    people = ["customers and visitors of whom sources send events"]
    if purposes.is_on:
        people.append(f"among them people younger than {purposes.minor_age}, of whom guardians decide")
    return people


def _retention(settings: PrivacySettings) -> dict[str, str]:
    kept = settings.retention
    return {
        "messages that could not be taken": _days(kept.dead_letter_days),
        "messages to webhooks that were given up": _days(kept.delivery_days),
        "automated decisions": _days(kept.decision_days),
        "results of access requests": _days(kept.result_days),
        "people of whom nothing is kept": _days(settings.inactive_days),
    }


def _days(days: int) -> str:
    return f"{days} days" if days else "until it is deleted"


def _items(entries: Mapping[str, str]) -> list[str]:
    return [f"- {name}: {text}" for name, text in entries.items()] or ["None."]


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    if not rows:
        return ["None."]
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return ["| " + " | ".join(row) + " |" for row in (columns, ["---"] * len(columns), *cells)]
