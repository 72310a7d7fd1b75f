"""Joining two profiles by what matching or an operator found, as opposed to by what an event showed.

The two are locked like any others; then it is checked, under the locks, that nothing speaks against it: that both
records still are what was compared, that limits hold, that the two were not set apart. No identifier changes hands that
the merge itself does not hand over, so no identifier is locked.
"""

import msgspec

from models.identity.customer_id import shard_of
from models.identity.identifiers import IdentitySettings
from models.identity.resolution import standing
from models.profile.state import decode_profile
from models.shard.core import ShardCore
from models.shard.locking import Locking
from models.shard.merging import join
from models.shard.messages import Finish, SetApart, Yield
from models.shard.protocol import Link, MergeRecord, Paired, Pairing, PairOutcome
from models.shard.reviews import Reviews
from models.shard.rows import Settling, Workflow


class Pairings:
    """The steps of a pairing, at all shards that take part."""

    def __init__(self, core: ShardCore, locking: Locking, reviews: Reviews) -> None:
        self._core = core
        self._locking = locking
        self._reviews = reviews

    def start(self, call: int, pairing: Pairing) -> None:
        """Begins to join two profiles, or to set them apart."""
        workflow = Workflow(self._locking.number(), pairing=pairing, call=call)
        self._locking.lock_profiles(workflow, {pairing.left, pairing.right})

    def moved(self, workflow: Workflow, pairing: Pairing) -> None:
        """One of the two was merged away meanwhile, or is gone."""
        left, right = (workflow.moved.get(customer_id, customer_id) for customer_id in (pairing.left, pairing.right))
        if left and right:
            workflow.pairing = msgspec.structs.replace(pairing, left=left, right=right)
            self._locking.lock_profiles(workflow, {left, right})
        else:
            self._answer(workflow, Paired("gone"))

    def ready(self, workflow: Workflow, pairing: Pairing) -> None:
        """Both profiles are locked: joins them, sets them apart, or lets go of them."""
        core = self._core
        winner, loser = sorted((pairing.left, pairing.right))
        refused = refusal(workflow, pairing, core.settings.identity)
        if refused is None and pairing.apart:
            for one, other in ((winner, loser), (loser, winner)):
                core.send(shard_of(one), SetApart(one, other))
            self._reviews.reject(pairing.review_id, pairing.source)
            refused = "set_apart"
        elif refused in (None, "same"):
            self._reviews.close(pairing.review_id)
        if refused is not None:
            self._locking.unlock_profiles(workflow, list(workflow.candidates))
            self._answer(workflow, Paired(refused, winner, loser))
            return
        core.send(shard_of(loser), Yield(workflow.number, loser, winner))
        core.send(
            shard_of(winner),
            Finish(
                workflow=workflow.number,
                winner=winner,
                losers=[loser],
                intake=None,
                kept=[],
                added=[],
                joined={},
                demoted=[],
                confirmations=0,
                pairing=pairing,
                call=workflow.call,
            ),
        )
        core.workflows.delete(workflow.number)

    def _answer(self, workflow: Workflow, paired: Paired) -> None:
        self._core.workflows.delete(workflow.number)
        self._core.replies.append((workflow.call, paired))

    def set_apart(self, message: SetApart) -> None:
        core = self._core
        profile = core.profile(message.customer_id)
        if message.other not in profile.apart:
            profile.apart.append(message.other)
            core.save(profile)
            core.mark_for_matching(message.customer_id, changed=False)  # one less to choose from


def refusal(workflow: Workflow, pairing: Pairing, settings: IdentitySettings) -> PairOutcome | None:
    """Why the locked profiles are not to be joined or set apart; None if they are."""
    if pairing.left == pairing.right:
        return "same"
    if pairing.digests is not None:
        found = (workflow.digests[pairing.left], workflow.digests[pairing.right])
        if found != pairing.digests:
            return "stale"
    if pairing.apart or pairing.explicit:
        return None
    left, right = (workflow.candidates[customer_id] for customer_id in (pairing.left, pairing.right))
    if pairing.reunite:
        left, right = (msgspec.structs.replace(candidate, apart=[]) for candidate in (left, right))
    found_standing = standing(left, right, settings.limits, settings.limit_default)
    return None if found_standing == "free" else found_standing


def settle_pair(core: ShardCore, finish: Finish, pairing: Pairing, settling: Settling) -> None:
    """At the winner's shard, with the loser's state: the two become one."""
    profile = core.profile(finish.winner)
    (loser,) = finish.losers
    state = settling.states[loser]
    settings = core.settings.identity
    ends = [min(p.identifiers, key=settings.rank) for p in (profile, decode_profile(state)) if p.identifiers]
    cause = f"match-{finish.winner}-{loser}"
    record = MergeRecord(
        merge_id="",
        winner=profile.customer_id,
        loser=loser,
        at=core.now,
        sequence=0,
        message_id=cause,
        source=pairing.source,
        method=pairing.method,
        identifiers=ends,
        winner_before=b"",
        loser_before=state,
        evidence=pairing.evidence,
    )
    settling.merge_id = join(core, profile, record)
    if len(ends) == 2:
        core.sequence += 1
        core.link_rows.append(
            Link(
                customer_id=profile.customer_id,
                left=ends[0],
                right=ends[1],
                method=pairing.method,
                confidence=1.0 if pairing.evidence is None or pairing.explicit else pairing.evidence.confidence,
                message_id=cause,
                source=pairing.source,
                at=core.now,
                sequence=core.sequence,
                evidence=pairing.evidence,
            )
        )
    core.reevaluate(profile, core.index.all, "merge")
    core.save_anew(profile)
    core.mark_for_matching(profile.customer_id)
