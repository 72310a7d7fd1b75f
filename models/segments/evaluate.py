"""Evaluates a compiled segment on one profile: is the person in it, and until when without anything happening.

A pure function of the profile and the clock. The caller evaluates again when the profile changes (see
`models.segments.index`) and at `next_flip`; between these the verdict stands.
"""

from typing import NamedTuple

from models.profile.state import Profile
from models.segments.compile import CompiledSegment
from models.segments.spans import NEVER

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
    member, flip = compiled.judge(profile, now)
    if flip == NEVER:
        return Verdict(member, None)
    if not compiled.exact:
        for _ in range(LOOKAHEAD):
            later, following = compiled.judge(profile, flip)
            if later != member:
                break
            if following == NEVER:
                return Verdict(member, None)
            flip = following
    return Verdict(member, flip)
