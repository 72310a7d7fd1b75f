"""The matching of some records: who resembles them, may they be joined, what follows. Pure, but for what it asks.

A link is made only if it is the plain answer from both sides: the profile found must not resemble somebody else who
does not resemble the one in question. So what follows does not depend on which of the two happened to be looked at.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from models.identity.identifiers import IdentitySettings
from models.identity.match_index import Query
from models.identity.online import MatchingSettings, Option, PairMatcher, Scored, Verdict, judge, unclear
from models.identity.resolution import Candidate, standing


class Surroundings(Protocol):
    """What an assessment asks of the platform."""

    async def kin(self, queries: Sequence[Query]) -> list[list[Scored]]:
        """For each query the profiles that resemble it enough for a review."""

    async def candidates(self, customer_ids: Sequence[int]) -> Mapping[int, Candidate]:
        """Those of the profiles that exist now under these ids."""


class Assessment(msgspec.Struct, frozen=True):
    """What was found for a query."""

    query: Query
    options: tuple[Option, ...]
    verdict: Verdict
    outdated: tuple[int, ...]  # customer ids that were found, or asked for, and are no more: the answer may be wrong


class Assessor:
    """Assesses queries under one set of settings."""

    def __init__(
        self, around: Surroundings, matcher: PairMatcher, settings: MatchingSettings, identity: IdentitySettings
    ) -> None:
        self._around = around
        self._matcher = matcher
        self._settings = settings
        self._identity = identity

    async def assess(self, queries: Sequence[Query], nobody: Candidate | None = None) -> list[Assessment]:
        """What follows for each query. `nobody` stands for the queries with customer id 0."""
        first = await self._look(queries, nobody, {})
        links = [(a, a.verdict.link) for a in first if a.verdict.link is not None]
        if not links:
            return first
        # The same question from the other side.
        keys = self._matcher.keys([link.scored.record for _, link in links])
        back = [
            Query(link.customer_id, link.scored.record, of_it) for (_, link), of_it in zip(links, keys, strict=True)
        ]
        asking: dict[int, list[Scored]] = {}
        for assessment, link in links:
            mine = Scored(assessment.query.customer_id, 0, assessment.query.record, link.scored.explanation)
            asking.setdefault(link.customer_id, []).append(mine)
        answers = await self._look(back, nobody, asking)
        doubted = {
            id(assessment)
            for (assessment, _), answer in zip(links, answers, strict=True)
            if answer.verdict.decision != "link"
        }
        return [
            msgspec.structs.replace(a, verdict=unclear(a.options, self._settings)) if id(a) in doubted else a
            for a in first
        ]

    async def _look(
        self, queries: Sequence[Query], nobody: Candidate | None, known: Mapping[int, list[Scored]]
    ) -> list[Assessment]:
        kin = await self._around.kin(queries)
        for query, found in zip(queries, kin, strict=True):
            there = {scored.customer_id for scored in found}
            found += [scored for scored in known.get(query.customer_id, ()) if scored.customer_id not in there]
        asked = {scored.customer_id for found in kin for scored in found}
        asked.update(query.customer_id for query, found in zip(queries, kin, strict=True) if found)
        candidates = dict(await self._around.candidates(sorted(asked - {0}))) if asked else {}
        if nobody is not None:
            candidates[0] = nobody
        return [self._assessment(query, found, candidates) for query, found in zip(queries, kin, strict=True)]

    def _assessment(self, query: Query, found: list[Scored], candidates: Mapping[int, Candidate]) -> Assessment:
        if not found:
            return Assessment(query, (), Verdict("new"), ())
        mine = candidates.get(query.customer_id)
        if mine is None:
            return Assessment(query, (), Verdict("new"), (query.customer_id,))
        limits, default = self._identity.limits, self._identity.limit_default
        options = tuple(
            Option(scored, standing(mine, candidates[scored.customer_id], limits, default))
            for scored in found
            if scored.customer_id in candidates
        )
        outdated = tuple(scored.customer_id for scored in found if scored.customer_id not in candidates)
        return Assessment(query, options, judge(options, self._confidence, self._settings), outdated)

    def _confidence(self, left: Scored, right: Scored) -> float:
        return self._matcher.score(left.record, [right.record])[0].confidence
