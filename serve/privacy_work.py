"""What works on the requests of data subjects: the desk, the callbacks and the clock of deadlines, put together."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Iterable
from typing import Any, NoReturn

import msgspec

from actors.audit_log import AuditLog, EntryFilter
from actors.backup_keys import BackupKeys
from actors.control import ControlStore
from actors.errors import OnefoldError
from actors.privacy_callbacks import CallbackSender
from actors.privacy_calls import PrivacyCalls
from actors.privacy_desk import Desk
from actors.privacy_recipients import RecipientStatements
from actors.privacy_store import FILE, PrivacyStore
from actors.purger import Purger
from actors.refusal_journal import RefusalJournal
from actors.signing_key import load_signer
from actors.webhook_sender import WebhookSender
from models.identity.identifiers import IdentifierNormaliser
from models.privacy import open_dsr_documents
from models.privacy.deadlines import escalates_at
from models.privacy.purposes import NO_PURPOSES
from models.privacy.requests import SubjectRequest, is_ready
from models.privacy.suppression import fingerprint
from models.profile.state import Profile
from serve import ray_node
from serve.addresses import processor_of
from serve.backup_keys import open_keys
from serve.data_dir import suppression_key
from serve.erasure_proof import ErasureProof
from serve.insights import Insights
from serve.purge_work import purge_on_time
from serve.settings import Settings
from serve.subject_export import SubjectExport

_POLL_S = 0.5
_CLOCK_S = 60.0
_NOTE_S = 1.0
_STATE_S = 10.0
_NOTED_MS = 60_000  # until it is said again that all is noted

log = logging.getLogger("onefold.privacy")


async def work_on_requests(settings: Settings, calls: PrivacyCalls) -> None:
    """Works until it is cancelled."""
    key = suppression_key(settings.data_path)
    store = PrivacyStore(settings.data_path / FILE, key)
    control = ControlStore(settings.control_path)
    shards = control.meta("shards") or 0
    audit = AuditLog(settings.data_path)
    normalise = IdentifierNormaliser(settings.identity).normal_form
    processor = processor_of(settings)
    keys = open_keys(settings)
    proof = ErasureProof(settings.data_path, ray_node.outside(settings), key)

    def readers(customer_id: int) -> Iterable[str]:
        return audit.actors(EntryFilter(subject=customer_id))

    # Whoever asks for what is known of them is told all, whatever purposes it serves.
    everything = msgspec.structs.replace(settings.privacy, purposes=NO_PURPOSES)
    made = Insights(msgspec.structs.replace(settings, privacy=everything), control, _now)

    def insights(profile: Profile, now: int) -> dict[str, Any]:
        return made.told(profile, "", now)[0]

    export = SubjectExport(
        calls, settings.data_path, normalise, settings.lifecycle, control.webhooks, readers, insights
    )

    await asyncio.to_thread(lambda: export.keep_only(store.results()))

    async def exported(request: SubjectRequest, keys: list[str]) -> tuple[str, int]:
        return await export.write(request, keys, _now())

    desk = Desk(
        store,
        calls,
        normalise,
        lambda request: is_ready(request, settings.privacy),
        lambda request: open_dsr_documents.callback(request, processor),
        proof,
        exported,
        export.discard,
        keys,
        lambda identifier: fingerprint(identifier, key),
    )
    signer = await asyncio.to_thread(load_signer, settings.data_path, processor.domain, _now)
    callbacks = CallbackSender(store, WebhookSender(settings.webhooks), signer, processor.domain)
    statements = RecipientStatements(store, calls, proof.state)
    purger = Purger(calls, store, settings.privacy, export.discard)
    await asyncio.gather(
        *(desk.run(), _send(callbacks), _watch(store), _note_refusals(settings, keys, shards), _state(statements)),
        purge_on_time(settings, purger, _now),
    )


async def _send(callbacks: CallbackSender) -> NoReturn:
    while True:
        if not await callbacks.send_due(_now()):
            await asyncio.sleep(_POLL_S)


async def _state(statements: RecipientStatements) -> NoReturn:
    """States what came of telling recipients, when all have answered or were given up."""
    while True:
        try:
            await statements.issue_due()
        except OnefoldError as error:  # the deliverer starts
            log.warning("recipients cannot be asked after", extra={"fields": {"reason": error.code}})
        await asyncio.sleep(_STATE_S)


async def _note_refusals(settings: Settings, keys: BackupKeys, shards: int) -> NoReturn:
    """Keeps what is refused beside the keys of backups, as soon as there is a backup."""
    journal = RefusalJournal(settings.data_path, shards, keys, settings.profile, settings.privacy.purposes)
    copied = 0
    while True:
        began = _now()
        try:
            if await asyncio.to_thread(keys.has_backups):
                news = await asyncio.to_thread(journal.catch_up)
                if news or began - copied > _NOTED_MS:
                    await asyncio.to_thread(keys.set_noted_until, began)
                    copied = began
        except (OnefoldError, sqlite3.Error) as error:
            log.warning("what is refused cannot be noted", extra={"fields": {"reason": type(error).__name__}})
        await asyncio.sleep(_NOTE_S)


async def _watch(store: PrivacyStore) -> NoReturn:
    """Says so, once, when a request comes near its deadline."""
    while True:
        now = _now()
        for request in store.requests(("pending", "in_progress"), 1_000):
            if not request.escalated and now >= escalates_at(request.due_at):
                store.change(request.request_id, lambda due: msgspec.structs.replace(due, escalated=True))
                fields = {"subject_request_id": request.request_id, "left_ms": request.due_at - now}
                log.warning("a request of a data subject is near its deadline", extra={"fields": fields})
        await asyncio.sleep(_CLOCK_S)


def _now() -> int:
    return time.time_ns() // 1_000_000
