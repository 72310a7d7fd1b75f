"""The records of some profiles, held to be compared with others: the state of one matcher. Pure."""

from collections.abc import Sequence

import msgspec

from models.identity.block_index import BlockIndex
from models.identity.evidence import Explanation
from models.identity.online import MatchingSettings, PairMatcher, Scored
from models.identity.profile_record import profile_record, record_digest
from models.identity.record import MatchRecord
from models.profile.state import decode_profile

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(MatchRecord).decode


class Query(msgspec.Struct, frozen=True):
    """A record whose like is sought, with its blocking keys; `customer_id` 0 if it is nobody's."""

    customer_id: int
    record: MatchRecord
    keys: tuple[int, ...]


class MatchIndex:
    """Records by customer id and by blocking key."""

    def __init__(self, matcher: PairMatcher, settings: MatchingSettings) -> None:
        self.matcher = matcher
        self.settings = settings
        self.failed_pairs = 0  # that the matcher failed to compare
        self.blocks = BlockIndex(settings.block_max, settings.candidates_max)

    def take(self, states: Sequence[tuple[int, bytes | None]]) -> list[Query]:
        """Takes in profiles as they are now (customer id, encoded profile or None if it is gone).

        Returns what is to be sought: those that have a record. The others are no longer held.
        """
        records: list[tuple[int, MatchRecord]] = []
        for customer_id, state in states:
            record = None if state is None else profile_record(decode_profile(state))
            if record is None:
                self.blocks.drop(customer_id)
            else:
                records.append((customer_id, record))
        queries = []
        keys = self.matcher.keys([record for _, record in records])
        for (customer_id, record), of_record in zip(records, keys, strict=True):
            self.blocks.put(customer_id, of_record, _encode(record))
            queries.append(Query(customer_id, record, of_record))
        return queries

    def nearest_kin(self, query: Query, also: Sequence[int] = ()) -> list[Scored]:
        """Those held that resemble the query enough for a review, the most alike first; `also` are compared as well."""
        found = dict.fromkeys(self.blocks.find(query.keys, query.customer_id))
        found.update(dict.fromkeys(c for c in also if c != query.customer_id))
        held = [(customer_id, data) for customer_id in found if (data := self.blocks.get(customer_id)) is not None]
        if not held:
            return []
        records = [_decode(data) for _, data in held]
        scored = [
            Scored(customer_id, record_digest(record), record, explanation)
            for (customer_id, _), record, explanation in zip(
                held, records, self._score(query.record, records), strict=True
            )
            if explanation is not None and explanation.confidence >= self.settings.review_confidence
        ]
        return sorted(scored, key=lambda s: (-s.explanation.confidence, s.customer_id))

    def _score(self, left: MatchRecord, rights: list[MatchRecord]) -> Sequence[Explanation | None]:
        """The evidence on each pair, None where the matcher fails: one record must not keep all others from a match."""
        try:
            return self.matcher.score(left, rights)
        except Exception:
            if len(rights) == 1:
                self.failed_pairs += 1
                return [None]
            return [explanation for right in rights for explanation in self._score(left, [right])]
