"""A shard: the state machine, its store, and what keeps both going. `actors.cluster` makes a Ray actor of it.

Nothing here knows Ray: the other shards are reached through `Peers`, so tests run several shards in one process.
Every public coroutine may be called again with the same arguments after a failure; what it did already it will not do
twice.
"""

import asyncio
import gc
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Coroutine
from contextlib import ExitStack, closing, suppress
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import msgspec

from actors.channel import Channel
from actors.control import ControlStore
from actors.errors import Conflict, NotFound
from actors.group_commit import GroupCommit
from actors.page_scrub import PageScrubber, Scrubbed
from actors.shard_log import ShardLog
from actors.shard_reads import ShardReads
from actors.store import Envelopes, Store
from models.events.event import decode_events
from models.identity.identifiers import IdentifierNormaliser
from models.privacy.decisions import DecisionRecord
from models.privacy.letters import named_in
from models.privacy.parting import carries, parted, refused
from models.segments.catalogue import catalogue_of, resolve
from models.segments.field_reader import InvalidCriteria
from models.shard.commands import (
    Accept,
    Count,
    Decide,
    DeleteSegment,
    Erase,
    Erasure,
    Fold,
    Load,
    Matched,
    Pair,
    Part,
    Purge,
    PutSegment,
    Receive,
    Refresh,
    Reviewed,
    Suppress,
    TakeDecision,
    Tick,
    Unmerge,
    UnmergeRefused,
)
from models.shard.machine import ShardMachine
from models.shard.protocol import (
    DeadLetter,
    Erased,
    Finding,
    IngestResult,
    Link,
    Paired,
    Pairing,
    PurgeStep,
    StoredEvent,
)
from models.shard.state import MachineSettings
from models.shard.tables import Effects

_TIMER_S = 0.1
_TIMER_S_BUSY = 0.02
_LOAD_PROFILES = 100  # brought into the columns in one step
_FOLD_PROFILES = 50  # written in one step
_FOLD_PAUSE_S = 0.02  # between two steps, so that they take a small part of the shard's time
_SEGMENTS_POLL_S = 0.5
_CONTROL_POLL_S = 0.5
_HELD_POLL_S = 0.02
_PARTED_ROWS = 200_000  # that are searched in one step
_PARTED_PEOPLE = 100  # whose profiles are changed in one step
_LAST_ANSWER_S = 0.1
_LETTER_OF_STATUS = {"accepted": "a", "applied": "p", "duplicate": "d", "suppressed": "s"}

log = logging.getLogger("onefold.shard")

_encode = msgspec.msgpack.Encoder().encode


class Peers(Protocol):
    """The other shards."""

    async def receive(self, destination: int, source: int, first: int, envelopes: list[bytes]) -> int:
        """Calls `Shard.receive` at `destination`. Raises Unavailable."""


class Shard(ShardReads):
    """One shard, from its file. Construct it within a running event loop."""

    def __init__(
        self,
        shard: int,
        shards: int,
        data_dir: Path,
        settings: MachineSettings,
        peers: Peers,
        die: Callable[[BaseException], None],
        lock_timeout_s: float = 0,
    ) -> None:
        """Recovers the shard; takes seconds for many profiles. `die` must end the process: see `actors.group_commit`.

        Raises what `actors.store.Store` raises.
        """
        started = time.monotonic()
        self._store = Store(data_dir, shard, shards, lock_timeout_s)
        self._machine = ShardMachine(shard, shards, settings, self._store)
        self._load()
        core = self._machine.core
        commits = GroupCommit(self._machine, self._store, _now, core.settled, self._after_commit)
        super().__init__(data_dir, shards, core, commits)
        self._normaliser = IdentifierNormaliser(settings.identity)
        self._peers = peers
        self._die = die
        self._control_path = data_dir / "control.sqlite"
        self._channels: dict[int, Channel] = {}
        self._segments_changed = asyncio.Event()
        self._held_until = 0  # ms, until when nothing is begun that takes several shards
        self._tasks: set[asyncio.Task[None]] = set()
        self._run(commits.run())
        self._run(self._run_timers())
        self._run(self._run_segments())
        self._run(self._follow_control())
        self._send(self._store.outbox())
        took_ms = round((time.monotonic() - started) * 1000)
        fields = {"shard": shard, "count": len(core.profiles), "duration_ms": took_ms}
        log.info("shard has recovered its profiles", extra={"fields": fields})

    def _load(self) -> None:
        # Millions of objects that will stay: collecting cycles among them would only stop the shard now and then.
        gc.disable()
        try:
            self._store.load(self._machine)
            self._machine.restore()
            gc.freeze()
        finally:
            gc.enable()

    async def close(self) -> None:
        """Ends the shard in order. What was acknowledged is on disk before and after."""
        while tasks := [task for task in self._tasks if not task.done()]:
            for task in tasks:
                task.cancel()
            # Again: in Python 3.11 `wait_for` forgets a cancellation that comes together with its answer.
            await asyncio.wait(tasks, timeout=0.1)
        self._log.close()
        self._store.close()

    async def process_id(self) -> int:
        """The id of the shard's process; answers once the shard has recovered."""
        return os.getpid()

    async def _free_to_begin(self) -> None:
        """Returns when something may be begun: a backup waits until all that was begun has come to an end."""
        while self._held_until > _now():
            await asyncio.sleep(_HELD_POLL_S)

    # Taking in

    async def ingest(self, events: bytes, wait: bool) -> tuple[int, bytes]:
        """Takes in events (`encode_events`) whose route is at home here; returns when they are durable, or with
        `wait` when all are applied.

        Returns the sequence number that a later read can ask for, and either one letter per event (a: accepted, p:
        applied, d: duplicate, s: suppressed) or with `wait` the encoded list of EventResult.
        """
        decoded = decode_events(events)
        await self._free_to_begin()
        result: IngestResult = await self._commits.submit(lambda call: Accept(call, decoded, wait), len(decoded))
        sequence = int(result.sequence.partition(":")[2])
        if wait:
            return sequence, _encode(result.results)
        return sequence, "".join([_LETTER_OF_STATUS[r.status] for r in result.results]).encode()

    async def receive(self, source: int, first: int, envelopes: list[bytes]) -> int:
        """Takes envelopes of another shard; answers with the number of the latest one that it has, durably."""
        return int(await self._commits.submit(lambda call: Receive(call, source, first, envelopes), len(envelopes)))

    async def put_letters(self, letters: list[DeadLetter]) -> None:
        """Keeps dead letters, but those that name an erased person."""
        if len(self._core.suppressed):
            letters = [letter for letter in letters if not self._names_erased(letter.body)]
        await self._commits.write(lambda: self._store.put_letters(letters))

    def _names_erased(self, body: bytes) -> bool:
        return self._core.suppressions.names_any(named_in(body, self._normaliser))

    async def mark_replayed(self, letter_ids: list[str], now: int) -> None:
        """Notes that these letters, of which some may be elsewhere, were taken after all."""
        await self._commits.write(lambda: self._store.mark_replayed(letter_ids, now))

    async def delete_letters(self, letter_ids: list[str]) -> int:
        """Deletes dead letters; returns how many of them were here."""
        return await self._delete(lambda: self._store.delete_letters(letter_ids))

    async def delete_any_letters(self, limit: int) -> int:
        """Deletes the oldest `limit` dead letters; returns how many there were."""
        return await self._delete(lambda: self._store.delete_any_letters(limit))

    async def delete_letters_before(self, received_at: int, limit: int) -> int:
        """Deletes the oldest `limit` dead letters of those received before a time (ms); returns how many there were."""
        return await self._delete(lambda: self._store.delete_letters_before(received_at, limit))

    async def _delete(self, delete: Callable[[], int]) -> int:
        deleted: list[int] = []
        await self._commits.write(lambda: deleted.append(delete()))
        return deleted[0]

    # Matching

    async def pair(self, pairing: Pairing) -> Paired:
        """Joins two profiles or sets them apart; answers when readers see it."""
        await self._free_to_begin()
        answer: Paired = await self._commits.submit(lambda call: Pair(call, pairing))
        return answer

    async def reviewed(self, findings: list[Finding]) -> None:
        """Brings the reviews that are kept here up to date with what matching has found."""
        await self._commits.submit(lambda call: Reviewed(call, findings), len(findings))

    async def matched(self, done: list[tuple[int, int]], deferred: list[int]) -> None:
        """Profiles were matched as they were at their mark; others shall wait behind the rest."""
        await self._commits.submit(lambda call: Matched(call, done, deferred), len(done))

    # Privacy

    async def erase(self, erasure: Erasure) -> Erased:
        """Erases a person whose profile is here, from all shards. Asked again with the same request id, the answer is
        the same."""
        await self._free_to_begin()
        answer: Erased = await self._commits.submit(lambda call: Erase(call, erasure))
        return answer

    async def suppress(self, identifiers: list[str], refused_until: int) -> None:
        """Refuses events with these identifiers from before `refused_until` ms; 0 takes that back."""
        await self._commits.submit(lambda call: Suppress(call, identifiers, refused_until), len(identifiers))

    async def part(self, refused_until: dict[str, int], after: int) -> tuple[int, list[int]]:
        """Takes identifiers of erased people, each refused up to a time (ms), out of what other people's rows after a
        sequence number tell. Returns the number to go on after, -1 at the end, and whom those that were merged away
        have become: `part_people` is to be asked of them."""
        events, links, last = await asyncio.to_thread(self._carrying, refused_until, after)
        people = sorted({*(stored.customer_id for stored in events), *(link.customer_id for link in links)})
        became = await self.part_people(refused_until, people)
        if people:
            await self._commits.write(
                lambda: self._store.part(
                    [stored.sequence for stored in events],
                    [link.sequence for link in links],
                    lambda event: parted(event, refused_until, self._normaliser.normal_form),
                )
            )
        return last, became

    async def part_people(self, refused_until: dict[str, int], people: list[int]) -> list[int]:
        """Takes what names the erased out of the profiles of these others. Returns whom those that were merged away
        have become."""
        became: list[int] = []
        for start in range(0, len(people), _PARTED_PEOPLE):
            some = people[start : start + _PARTED_PEOPLE]
            became += await self._commits.submit(partial(Part, people=some, refused_until=refused_until), len(some))
        return became

    def _carrying(self, refused_until: dict[str, int], after: int) -> tuple[list[StoredEvent], list[Link], int]:
        with closing(ShardLog(self._data_dir, self._core.shard, self._shards)) as log:
            events, links, last = log.carrying(list(refused_until), after, _PARTED_ROWS)
        theirs = [each for each in events if carries(each.event, refused_until)]
        return theirs, [each for each in links if refused((each.left, each.right), each.at, refused_until)], last

    async def purge(self, run: int, step: int, limit: int, inactive_ms: int) -> PurgeStep:
        """Takes what is past its time out of up to `limit` more people; another `run` begins anew."""
        done: PurgeStep = await self._commits.submit(lambda call: Purge(call, run, step, limit, inactive_ms), limit)
        return done

    async def decide(self, records: list[DecisionRecord]) -> None:
        """Logs automated decisions and reviews of them, each once."""
        await self._commits.submit(lambda call: Decide(call, records), len(records))

    async def take_decision(self, record: DecisionRecord, absorbed: list[int]) -> DecisionRecord | None:
        """Logs a decision unless one of its id is there; the one that is there then. None if the person has had other
        ids before than `absorbed`, or is not here any more."""
        held: DecisionRecord | None = await self._commits.submit(lambda call: TakeDecision(call, record, absorbed))
        return held

    async def delete_decisions(self, record_ids: list[str]) -> None:
        """Deletes automated decisions, each with its review."""
        await self._commits.write(lambda: self._store.delete_decisions(record_ids))

    async def scrub(self) -> bool:
        """Leaves nothing of what was deleted in the write-ahead log or in unused space of the file, some pages at a
        time. False if a reader was in the way: then again, later."""
        with await asyncio.to_thread(PageScrubber, self._store.path) as scrubber:
            page = 0
            while page >= 0:
                found: list[Scrubbed | None] = []
                await self._commits.between(partial(_scrub, self._store, scrubber, page, found))
                if not found or found[0] is None:
                    return False
                page = found[0].next
        return True

    # Operators

    async def unmerge(self, merge_id: str) -> tuple[int, int]:
        """Takes a merge back: the surviving and the restored customer id. Raises NotFound, Conflict."""
        await self._free_to_begin()
        try:
            winner, restored = await self._commits.submit(lambda call: Unmerge(call, merge_id))
        except UnmergeRefused as refused:
            kind = NotFound if refused.code == "not_found" else Conflict
            raise kind(f"merge_id: {refused.message}") from None
        return winner, restored

    async def put_segment(self, segment_id: str, resolved: bytes) -> None:
        """Installs a segment (JSON of a Resolved), which begins to be counted over the profiles that exist."""
        row = self._core.segments.get(segment_id)
        if row is None or msgspec.json.decode(row.definition) != msgspec.json.decode(resolved):
            await self._commits.submit(lambda call: PutSegment(call, segment_id, resolved))
            self._segments_changed.set()

    async def delete_segment(self, segment_id: str) -> None:
        """Removes a segment; its members leave it."""
        if segment_id in self._core.segments:
            await self._commits.submit(lambda call: DeleteSegment(call, segment_id))
            self._segments_changed.set()

    async def counted(self, segment_id: str, timeout_s: float) -> bool:
        """Waits, at most `timeout_s`, until every profile has been evaluated for a segment; whether that is so."""
        deadline = time.monotonic() + timeout_s
        while segment_id in self._core.uncounted and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        return segment_id not in self._core.uncounted

    # What goes on by itself

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs a part of the shard for ever; if it fails, the shard does."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # A moment, so that the answer to the request that did it still leaves. Nothing is committed or read in it.
            asyncio.get_running_loop().call_later(_LAST_ANSWER_S, self._die, error)

    def _after_commit(self, effects: Effects, envelopes: Envelopes) -> None:
        if effects.profiles or effects.profiles_deleted:
            changed = [row[0] for row in effects.profiles] + effects.profiles_deleted
            self._changes.add(self._core.sequence, changed)
        if envelopes:
            self._send(envelopes)

    def _send(self, envelopes: Envelopes) -> None:
        for destination, numbered in envelopes.items():
            self._channel(destination).post(numbered)

    def _channel(self, destination: int) -> Channel:
        channel = self._channels.get(destination)
        if channel is None:
            shard = self._core.shard

            async def send(first: int, envelopes: list[bytes]) -> int:
                return await self._peers.receive(destination, shard, first, envelopes)

            channel = Channel(destination, send, lambda latest: self._commits.acknowledge(destination, latest))
            self._channels[destination] = channel
            self._run(channel.run())
        return channel

    async def _run_timers(self) -> None:
        pause = _TIMER_S
        while True:
            await asyncio.sleep(pause)
            due = self._core.next_due()
            pause = _TIMER_S
            if due and due <= _now():
                self._commits.post(Tick())
                pause = _TIMER_S_BUSY  # one step takes a part of what is due

    async def _run_segments(self) -> None:
        """What concerns all profiles: brings them into the columns, counts and refreshes segments, writes moves of many
        into profiles; a restart goes on where it was."""
        core, commits = self._core, self._commits
        while True:
            if core.unloaded:
                await commits.submit(lambda call: Load(call, _LOAD_PROFILES), _LOAD_PROFILES)
            elif len(core.uncounted):
                await commits.submit(Count)
            elif due := self._machine.segmenting.due_refreshes(_now()):
                await commits.submit(_refresh(due[0]))
            elif len(core.moves):
                await commits.submit(lambda call: Fold(call, _FOLD_PROFILES), _FOLD_PROFILES)
                await asyncio.sleep(_FOLD_PAUSE_S)
            else:
                self._segments_changed.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._segments_changed.wait(), _SEGMENTS_POLL_S)

    async def _follow_control(self) -> None:
        """Installs what the control store defines, whoever changed it and whatever was missed meanwhile."""
        seen = -1
        with ExitStack() as stack:
            control: ControlStore | None = None
            while True:
                try:
                    if control is None and self._control_path.exists():
                        control = ControlStore(self._control_path)
                        stack.callback(control.close)
                    if control is not None and (version := control.version()) != seen:
                        self._held_until = control.held_until()
                        await self._install(control.segments(), control.computed_traits())
                        seen = version
                except sqlite3.Error as error:
                    # Somebody else's trouble with that file must not end the shard.
                    log.warning("the control store cannot be read", exc_info=error)
                await asyncio.sleep(_HELD_POLL_S if self._held_until > _now() else _CONTROL_POLL_S)

    async def _install(self, defined: dict[str, dict[str, Any]], traits: dict[str, dict[str, Any]]) -> None:
        for segment_id in [known for known in self._core.segments if known not in defined]:
            await self.delete_segment(segment_id)
        catalogue = catalogue_of(defined, traits)
        for segment_id, definition in catalogue.segments.items():
            try:
                resolved = resolve(definition, catalogue)
            except InvalidCriteria as error:
                # The control store was changed behind the service's back: what is installed stays.
                fields = {"segment_id": segment_id, "errors": [problem.path for problem in error.errors]}
                log.warning("a segment cannot be installed", extra={"fields": fields})
                continue
            await self.put_segment(segment_id, msgspec.json.encode(resolved))


def _scrub(store: Store, scrubber: PageScrubber, page: int, found: list[Scrubbed | None]) -> None:
    found.append(store.scrub(lambda: scrubber.scrub(page)))


def _refresh(segment_id: str) -> Callable[[int], Refresh]:
    return lambda call: Refresh(call, segment_id)


def _now() -> int:
    """Wall clock, ms since 1970."""
    return time.time_ns() // 1_000_000
