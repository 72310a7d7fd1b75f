"""The result of an access or portability request: all that is known of a person, for the person.

A ZIP archive: `data.json` with everything, and tables of what can be taken elsewhere as CSV. It says where each thing
came from and who was told of it.
"""

import csv
import io
import secrets
import zipfile
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from actors.privacy_calls import PrivacyCalls
from actors.private_file import write_private
from models.delivery.webhook import Webhook
from models.identity.customer_id import to_text
from models.identity.evidence import Explanation
from models.identity.identifiers import Normalise
from models.privacy.requests import SubjectRequest
from models.profile.document import document
from models.profile.lifecycle import LifecycleRules
from models.profile.state import Profile
from models.scoring.kept import told
from models.scoring.samples import OtherScore
from models.shard.protocol import MergeRecord, Review, SegmentChange
from serve.http_consents import consent_entry
from serve.http_corrections import correction_entries
from serve.http_decisions import decision_entries
from serve.http_events import event_entry
from serve.http_identity_schemas import ReviewEntry
from serve.http_schemas import time_text
from serve.identity_entries import link_entry, merge_entry, review_entry

FOLDER = "privacy/results"  # in the data directory
_EVENTS_PAGE = 1_000


class SubjectExport:
    """Writes results into a data directory."""

    def __init__(
        self,
        calls: PrivacyCalls,
        data_dir: Path,
        normalise: Normalise,
        rules: LifecycleRules,
        webhooks: Callable[[], Mapping[str, Webhook]],
        readers: Callable[[int], Iterable[str]],
        insights: Callable[[Profile, int], dict[str, Any]],
    ) -> None:
        """`webhooks`: those that there are, by id; `readers`: who has read a customer id's data; `insights`: all that
        there are of a profile at a time, ms."""
        self._calls = calls
        self._folder = data_dir / FOLDER
        self._normalise = normalise
        self._rules = rules
        self._webhooks = webhooks
        self._readers = readers
        self._insights = insights

    async def write(self, request: SubjectRequest, keys: Iterable[str], now: int) -> tuple[str, int]:
        """The name of the file with all that is known under these normalised keys, and how many records it holds."""
        people: dict[int, Profile] = {}
        named = dict.fromkeys(keys)
        for key in list(named):
            profile = await self._calls.profile(key)
            if profile is not None:
                people[profile.customer_id] = profile
                named |= dict.fromkeys(profile.identifiers)
        found = [await self._person(profile, now) for profile in people.values()]
        letters = await self._calls.letters(list(named), self._normalise)
        data = {
            "request_id": request.request_id,
            "made_at": time_text(now),
            "people": found,
            "refused_messages": [
                {"received_at": time_text(x.received_at), "source": x.source, "body": x.body.decode(errors="replace")}
                for x in letters
            ],
        }
        records = len(letters) + sum(len(part) for person in found for part in person.values() if part)
        name = f"{secrets.token_hex(16)}.zip"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(self._folder / name, _archive(data, found))
        return name, records

    def keep_only(self, names: Collection[str]) -> None:
        """Deletes all other results: of an export that was cut short nobody knows the name."""
        if self._folder.is_dir():
            for path in self._folder.iterdir():
                if path.name not in names:
                    path.unlink()

    def discard(self, name: str) -> None:
        """Deletes a result."""
        (self._folder / Path(name).name).unlink(missing_ok=True)

    async def _person(self, profile: Profile, now: int) -> dict[str, Any]:
        key = f"customer_id:{to_text(profile.customer_id)}"
        lineage = [profile.customer_id, *profile.absorbed]
        changes = await self._calls.changes(lineage)
        events = [stored async for stored in self._events(key)]
        router = self._calls.router
        scores = (await self._calls.scores([profile.customer_id])).get(profile.customer_id, [])
        made = {"scores": told(scores, time_text, lambda _: True), "insights": self._insights(profile, now)}
        return {
            "profile": {**document(profile, now, {}, self._rules), **made},
            "other_scores": [_score(each) for each in await self._calls.other_scores([profile.customer_id])],
            "events": [msgspec.to_builtins(event_entry(stored)) for stored in events],
            "segments": [_move(change) for change in changes],
            "links": [msgspec.to_builtins(link_entry(link)) for link in await router.links(key)],
            "merges": [msgspec.to_builtins(merge_entry(_own(merge, profile))) for merge in await router.merges(key)],
            "reviews": [msgspec.to_builtins(_without_values(x)) for x in await self._calls.reviews(lineage)],
            "corrections": [msgspec.to_builtins(each) for each in correction_entries(profile)],
            "consents": [msgspec.to_builtins(consent_entry(told)) for told in await router.consents(key)],
            "decisions": [msgspec.to_builtins(x) for x in decision_entries(await router.decisions(key))],
            "sources": sorted({stored.event.source for stored in events}),
            "recipients": self._recipients(lineage, changes),
        }

    async def _events(self, key: str) -> Any:
        cursor = ""
        while True:
            page, cursor = await self._calls.router.events(key, _EVENTS_PAGE, cursor)
            for stored in page:
                yield stored
            if not cursor:
                return

    def _recipients(self, lineage: list[int], changes: list[SegmentChange]) -> list[dict[str, str]]:
        told = [
            {"kind": "webhook", "id": webhook.id, "url": webhook.url}
            for webhook in self._webhooks().values()
            if any(webhook.wants(change) for change in changes)
        ]
        readers = dict.fromkeys(reader for each in lineage for reader in self._readers(each))
        return told + [{"kind": "api_key", "id": reader} for reader in readers]


def _own(merge: MergeRecord, profile: Profile) -> MergeRecord:
    """A merge without what may be of somebody else, who is another person again."""
    if not merge.undone_at:
        return merge
    mine = [identifier for identifier in merge.identifiers if identifier in profile.identifiers]
    evidence = None if merge.evidence is None else _bare(merge.evidence)
    return msgspec.structs.replace(merge, identifiers=mine, evidence=evidence)


def _without_values(review: Review) -> ReviewEntry:
    """A review without what was compared: the other side may be another person."""
    entry = review_entry(review)
    return msgspec.structs.replace(entry, evidence=_bare(entry.evidence))


def _bare(evidence: Explanation) -> Explanation:
    fields = tuple(msgspec.structs.replace(field, left="", right="") for field in evidence.fields)
    return msgspec.structs.replace(evidence, fields=fields)


def _move(change: SegmentChange) -> dict[str, str]:
    return {"segment_id": change.segment_id, "change": change.change, "at": time_text(change.at), "cause": change.cause}


def _score(score: OtherScore) -> dict[str, Any]:
    return {"version": score.model, "as_of": time_text(score.at), "value": score.value}


def _archive(data: dict[str, Any], people: list[dict[str, Any]]) -> bytes:
    tables: dict[str, list[dict[str, Any]]] = {
        "events.csv": [row for person in people for row in person["events"]],
        "identifiers.csv": [row for person in people for row in person["profile"]["identities"]],
        "traits.csv": [
            {"name": name, **told} for person in people for name, told in person["profile"]["attributes"].items()
        ],
        "segments.csv": [row for person in people for row in person["segments"]],
    }
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.json", msgspec.json.format(msgspec.json.encode(data)))
        for name, rows in tables.items():
            archive.writestr(name, _csv(rows))
    return made.getvalue()


def _csv(rows: list[dict[str, Any]]) -> str:
    """A table with all fields of the rows; what is inside objects and lists as JSON. No cell is read as a formula."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([[_cell(row.get(column)) for column in columns] for row in rows])
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, dict | list):
        return msgspec.json.encode(value).decode()
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return "'" + value
    return value
