"""Evaluates a compiled segment on one profile: is the person in it, and until when without anything happening.

A pure function of the profile and the clock. The caller evaluates again when the profile changes (see
`models.segments.index`) and at `next_flip`; between these the verdict stands.
"""

from typing import NamedTuple

from models.profile.state import Profile
from models.segments.compile import CompiledSegment
from models.segments.spans import NEVER, Judgement

# Flips of parts that are followed, when they leave the whole as it was, to find the whole's own next flip.
LOOKAHEAD = 64


class Verdict(NamedTuple):
    """Whether a profile is in a segment, and when time alone may next change that."""

    member: bool
    next_flip: int | None  # ms, later than now


def evaluate(compiled: CompiledSegment, profile: Profile, now: int) -> Verdict:
    """The verdict on a profile at `now` ms: it stays so until `next_flip` unless the profile changes.

    At `next_flip` the verdict does change, save when more than LOOKAHEAD flips of parts come before.
    """
    member, flip = judged(compiled, profile, now)
    return Verdict(member, None if flip == NEVER else flip)


def judged(compiled: CompiledSegment, profile: Profile, now: int) -> Judgement:
    """`evaluate`, with NEVER for no flip: half the time, where a thousand segments are evaluated."""
    judge = compiled.judge
    member, flip = judge(profile, now)
    if flip == NEVER or compiled.exact:
        return member, flip
    for _ in range(LOOKAHEAD):
        later, following = judge(profile, flip)
        if later != member or following == NEVER:
            return member, flip if later != member else NEVER
        flip = following
    return member, flip
