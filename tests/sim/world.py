"""A seeded world of shards: real machines, durable memory, a network that loses, doubles and reorders, crashes.

Each shard is a machine beside a `Disk` (what a committed transaction keeps). A step of the world is one of:
a client (re)sends an event, a channel sends or delivers, an answer arrives or is lost, a shard crashes before
or after its commit, time passes. All choices come from one random generator.
"""

import random
from dataclasses import dataclass, field

import msgspec

from models.events.event import Event
from models.privacy.decisions import DecisionRecord
from models.privacy.ledger import ConsentRecord
from models.profile.state import Profile, decode_profile
from models.segments.bulk_moves import BulkMove, BulkMoves
from models.shard.commands import Accept, Count, Erase, Erasure, Fold, Load, Receive, Tick, Unmerge
from models.shard.core import dedupe_key
from models.shard.machine import ShardMachine
from models.shard.protocol import (
    STANDING_CAUSES,
    Erased,
    IngestResult,
    Link,
    MergeRecord,
    SegmentChange,
    StoredEvent,
)
from models.shard.state import MachineSettings
from models.shard.tables import Effects, EventRow


@dataclass
class Disk:
    """What survives a crash: the rows of every committed transaction. Also the machine's History."""

    shard: int
    profiles: dict[int, tuple[bytes, int]] = field(default_factory=dict)
    identifiers: dict[str, int] = field(default_factory=dict)
    redirects: dict[int, tuple[int, int]] = field(default_factory=dict)
    small: dict[tuple[str, str], bytes] = field(default_factory=dict)
    meta: dict[str, int] = field(default_factory=dict)
    events: dict[int, EventRow] = field(default_factory=dict)
    dedupe: dict[str, int] = field(default_factory=dict)
    channels: dict[int, int] = field(default_factory=dict)
    outbox: dict[int, dict[int, bytes]] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)
    changes: list[SegmentChange] = field(default_factory=list)
    consents: list[ConsentRecord] = field(default_factory=list)
    decisions: dict[str, DecisionRecord] = field(default_factory=dict)
    sent: dict[int, int] = field(default_factory=dict)
    moves: dict[int, BulkMove] = field(default_factory=dict)  # that some profiles do not hold

    def commit(self, effects: Effects) -> None:
        for customer_id, _, due, state in effects.profiles:
            self.profiles[customer_id] = (state, due)
        for customer_id in effects.profiles_deleted:
            self.profiles.pop(customer_id, None)
        self.identifiers.update(effects.identifiers)
        for identifier in effects.identifiers_deleted:
            del self.identifiers[identifier]
        for customer_id, target, last_event in effects.redirects:
            self.redirects[customer_id] = (target, last_event)
        for customer_id in effects.redirects_deleted:
            del self.redirects[customer_id]
        for kind, key, value in effects.small:
            self.small[kind, key] = value
        for kind, key in effects.small_deleted:
            del self.small[kind, key]
        self.meta.update(effects.meta)
        self.moves.update({move.first: move for move in effects.moves})
        for first in effects.moves_folded:
            del self.moves[first]
        for row in effects.events:
            self.events[row.sequence] = row
        for sequence, previous in effects.events_relinked:
            row = self.events[sequence]
            self.events[sequence] = EventRow(row.sequence, row.customer_id, previous, row.event)
        for sequence in effects.events_deleted:
            del self.events[sequence]
        for sequence, event in effects.events_changed:
            self.events[sequence] = msgspec.structs.replace(self.events[sequence], event=event)
        assert not any(key in self.dedupe for key, _ in effects.dedupe)
        self.dedupe.update(effects.dedupe)
        for key in effects.dedupe_deleted:
            self.dedupe.pop(key, None)
        self.links = [link for link in [*self.links, *effects.links] if link.customer_id not in effects.forgotten]
        self.links = [
            msgspec.structs.replace(x, evidence=None) if x.customer_id in effects.unevidenced else x for x in self.links
        ]
        self.decisions = {each.record_id: each for each in effects.decisions} | self.decisions
        self.decisions = {k: x for k, x in self.decisions.items() if x.customer_id not in effects.forgotten}
        disowned = {(customer_id, event.source, event.message_id) for customer_id, event in effects.disowned}
        self.consents = [x for x in self.consents if (x.customer_id, x.source, x.message_id) not in disowned]
        self.consents = [x for x in [*self.consents, *effects.consents] if x.customer_id not in effects.forgotten]
        self.changes += effects.changes
        for index, change in enumerate(self.changes):
            if change.customer_id in effects.forgotten and change.cause not in STANDING_CAUSES:
                self.changes[index] = msgspec.structs.replace(change, cause="")
        self.channels.update(effects.received)
        for shard, envelope in effects.messages.items():
            self.sent[shard] = self.sent.get(shard, 0) + 1
            self.outbox.setdefault(shard, {})[self.sent[shard]] = envelope

    def events_after(self, customer_id: int, head: int, after: int) -> list[StoredEvent]:
        found = []
        while head > after:
            row = self.events[head]
            assert row.customer_id == customer_id
            found.append(StoredEvent(self.shard, row.sequence, row.customer_id, row.event))
            head = row.previous
        found.reverse()
        return found

    def seen(self, dedupe_keys: list[str]) -> dict[str, int]:
        return {key: self.dedupe[key] for key in dedupe_keys if key in self.dedupe}

    def decision(self, record_id: str) -> DecisionRecord | None:
        return self.decisions.get(record_id)

    def merge(self, merge_id: str) -> MergeRecord:
        return msgspec.msgpack.decode(self.small["merges", merge_id], type=MergeRecord)

    def merges_of(self, people: list[int]) -> list[str]:
        merges = [key for kind, key in self.small if kind == "merges"]
        found = [self.merge(merge_id) for merge_id in merges]
        return [m.merge_id for m in found if m.winner in people or m.loser in people]

    def boot(self, shards: int, settings: MachineSettings) -> ShardMachine:
        machine = ShardMachine(self.shard, shards, settings, self)
        for customer_id, (state, due) in self.profiles.items():
            machine.load_profile(customer_id, state, due)
        for identifier, customer_id in self.identifiers.items():
            machine.load_identifier(identifier, customer_id)
        for customer_id, (target, last_event) in self.redirects.items():
            machine.load_redirect(customer_id, target, last_event)
        for (kind, key), value in self.small.items():
            machine.load_small(kind, key, value)
        for _, move in sorted(self.moves.items()):
            machine.load_move(move)
        for source, received in self.channels.items():
            machine.load_channel(source, received)
        for name, count in self.meta.items():
            machine.load_meta(name, count)
        machine.restore()
        return machine


@dataclass
class Chaos:
    """Chances, per step, of what may go wrong."""

    lose: float = 0.15
    double: float = 0.1
    crash: float = 0.03


class World:
    """`shards` machines and the chaos between them. `log` lists applied events in the order of their commits."""

    def __init__(self, seed: int, shards: int, settings: MachineSettings, chaos: Chaos | None = None) -> None:
        self.random = random.Random(seed)
        self.shards = shards
        self.settings = settings
        self.chaos = chaos or Chaos()
        self.now = 1_760_000_000_000
        self.disks = [Disk(shard) for shard in range(shards)]
        self.machines = [disk.boot(shards, settings) for disk in self.disks]
        self.unacknowledged: list[Event] = []
        self.acknowledged: dict[str, IngestResult] = {}
        self.in_flight: list[tuple[int, int, int, bytes]] = []  # source, destination, number, envelope
        self.log: list[Event] = []
        self.changes: list[SegmentChange] = []
        self.crashes = 0
        self.watched = False  # look all the time at what readers see; slow
        self._call = 0

    # One step

    def step(self) -> None:
        self.now += self.random.randrange(3)
        choices = ["send", "deliver", "deliver", "deliver", "tick"]
        if self.unacknowledged:
            choices += ["client"] * 2
        match self.random.choice(choices):
            case "client":
                self.client(self.random.choice(self.unacknowledged[:5]))
            case "send":
                self.channel_send()
            case "deliver":
                self.channel_deliver()
            case "tick":
                self.run(self.random.randrange(self.shards), Tick())
                # What a shard does by itself between events.
                for command in (Load(-1, 2), Count(-1), Fold(-1, 2)):
                    self.run(self.random.randrange(self.shards), command)

    def run(self, shard: int, command: object) -> list[tuple[int, object]]:
        """Handles one command; the shard may crash before or after the commit. Replies only if it lived."""
        machine = self.machines[shard]
        machine.handle(command, self.now)  # type: ignore[arg-type]
        effects = machine.drain()
        if self.random.random() < self.chaos.crash:
            self.crash(shard)
            return []
        self.disks[shard].commit(effects)
        self.committed(effects)
        self.log.extend(row.event for row in effects.events)
        self.changes.extend(effects.changes)
        if self.random.random() < self.chaos.crash:
            self.crash(shard)
            return []
        return effects.replies

    def committed(self, effects: Effects) -> None:
        """Called after each commit."""

    def crash(self, shard: int) -> None:
        self.crashes += 1
        self.machines[shard] = self.disks[shard].boot(self.shards, self.settings)

    def client(self, event: Event) -> None:
        """The client sends an event, again and again until it hears an answer."""
        self._call += 1
        shard = self.machines[0].core.home(event.route)
        for call, result in self.run(shard, Accept(self._call, [event])):
            if call == self._call and self.random.random() >= self.chaos.lose:
                assert isinstance(result, IngestResult)
                self.acknowledged[event.message_id] = result
                if event in self.unacknowledged:
                    self.unacknowledged.remove(event)

    def channel_send(self) -> None:
        source = self.random.randrange(self.shards)
        for destination, rows in self.disks[source].outbox.items():
            for number, envelope in list(rows.items())[: self.random.randrange(1, 4)]:
                if self.random.random() >= self.chaos.lose:
                    self.in_flight.append((source, destination, number, envelope))

    def channel_deliver(self) -> None:
        if not self.in_flight:
            return
        index = self.random.randrange(len(self.in_flight))
        source, destination, number, envelope = self.in_flight[index]
        if self.random.random() >= self.chaos.double:
            self.in_flight.pop(index)
        self._call += 1
        for call, received in self.run(destination, Receive(self._call, source, number, [envelope])):
            if call == self._call and self.random.random() >= self.chaos.lose:
                assert isinstance(received, int)
                rows = self.disks[source].outbox[destination]
                for done in [n for n in rows if n <= received]:
                    del rows[done]

    def check_what_readers_see(self) -> None:
        """Read your writes: whatever its shard calls settled, its identifiers lead readers to it, even now."""
        home = {row.event.message_id: row for row in self.stored()}
        for disk in self.disks:
            unsettled = {int(key) for kind, key in disk.small if kind == "unsettled"}
            for key, sequence in disk.dedupe.items():
                if sequence in unsettled:
                    continue
                row = home[key.split("\0")[1]]
                for identifier in row.event.identifiers:
                    profile = self.read(identifier)
                    assert row.customer_id in (profile.customer_id, *profile.absorbed), (identifier, row)

    def read(self, identifier: str) -> Profile:
        """As the committed reader does: index, then the profile, else the redirect."""
        customer_id = self.disks[self.machines[0].core.home(identifier)].identifiers[identifier]
        while True:
            disk = self.disks[(customer_id >> 11) & 1023]
            if customer_id in disk.profiles:
                return decode_profile(disk.profiles[customer_id][0])
            customer_id = disk.redirects[customer_id][0]

    # Whole runs

    def settle(self, steps_max: int = 200_000) -> None:
        """Goes on, without new events, until nothing is on its way."""
        for number in range(steps_max):
            if self.watched and number % 5 == 0:
                self.check_what_readers_see()
            if self.is_at_rest():
                break
            self.step()
        else:
            raise AssertionError("the shards did not come to rest")

    def is_at_rest(self) -> bool:
        return not self.unacknowledged and not any(rows for d in self.disks for rows in d.outbox.values())

    def quiet(self, event: Event) -> None:
        """Takes one event in and lets it come to rest before the next."""
        self.unacknowledged.append(event)
        self.settle()

    def unmerge(self, merge_id: str) -> None:
        shard = int(merge_id.split("_")[1])
        for _ in range(1000):
            self._call += 1
            self.run(shard, Unmerge(self._call, merge_id))
            self.settle()
            record = self.machines[shard].core.merges.get(merge_id)
            if record is None or record.undone_at:
                return
        raise AssertionError("the merge was not taken back")

    def erase(self, request_id: str, customer_id: int, refused_until: int) -> Erased:
        """Asks until there is an answer; in between other things go on."""
        for _ in range(1000):
            self._call += 1
            mine = self._call
            shard = (customer_id >> 11) & 1023
            replies = self.run(shard, Erase(mine, Erasure(request_id, customer_id, refused_until)))
            for call, reply in replies:
                if call == mine and isinstance(reply, Erased):
                    if not reply.moved_to:
                        return reply
                    customer_id = reply.moved_to
            for _ in range(20):
                self.step()
        raise AssertionError("the erasure was not answered")

    # What came of it

    def owner(self, identifier: str) -> int:
        """Customer id that an identifier leads to; 0 for none."""
        core = self.machines[self.machines[0].core.home(identifier)].core
        customer_id = core.identifiers.get(identifier) or 0
        return self.resolve(customer_id) if customer_id else 0

    def resolve(self, customer_id: int) -> int:
        while True:
            core = self.machines[(customer_id >> 11) & 1023].core
            redirect = core.redirects.get(customer_id)
            if redirect is None:
                return customer_id
            customer_id = redirect.target

    def profiles(self) -> dict[int, Profile]:
        """Every profile as readers see it."""
        found = {}
        for disk in self.disks:
            moves = BulkMoves(disk.moves.values())
            for customer_id, (state, _) in disk.profiles.items():
                profile = found[customer_id] = decode_profile(state)
                moves.fold(profile)
        return found

    def stored(self) -> list[EventRow]:
        return [row for disk in self.disks for row in disk.events.values()]

    def check_at_rest(self) -> None:
        """Invariants once nothing is on its way."""
        for disk, machine in zip(self.disks, self.machines, strict=True):
            kinds = {kind for kind, _ in disk.small} - {"merges", "segments", "counted", "reviews"}
            kinds -= {"erased", "suppressed"}
            assert not kinds, f"shard {disk.shard} still has {kinds}"
            core = machine.core
            assert core.settled() == core.sequence
            assert core.profiles == {c: state for c, (state, _) in disk.profiles.items()}
        accepted = [dedupe_key(row.event) for row in self.stored()]
        assert len(accepted) == len(set(accepted)), "an event is stored twice"
        for profile in self.profiles().values():
            for identifier in profile.identifiers:
                assert self.owner(identifier) == profile.customer_id
