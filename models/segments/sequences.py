"""The judge of a sequence: events in order, each within its time of the one before, with properties that agree.

The chains of occurrences that fit so far are kept by what later steps compare with (the bindings), with the times at
which they have arrived: a chain may go on from any of these. The last step may be one that must not come, which is
known at the millisecond at which its time is over.
"""

from bisect import bisect_left, bisect_right, insort
from typing import Any

from models.profile.state import Profile
from models.segments.criteria import PropertyTest, Reference, Sequence, Step
from models.segments.events import Detailed, Find, finder
from models.segments.scalars import value_key
from models.segments.spans import NEVER, Judge, Judgement, is_inside, next_edge

Bindings = tuple[Any, ...]  # values of the properties that later steps refer to, in the order of `_references`
Chains = dict[Bindings, list[int]]  # -> times of arrival (ms), ascending


class _Matcher:
    """A step: its occurrences, what it compares with the bindings, and what it adds to them."""

    def __init__(self, number: int, step: Step, references: list[Reference]) -> None:
        self.step = step
        self.find: Find = finder(step.event, static_tests(step))
        links = [(test.property, test.value) for test in step.where if isinstance(test.value, Reference)]
        self.compared = [name for name, _ in links]
        self.with_ = [references.index(reference) for _, reference in links]
        self.added = [reference.property for reference in references if reference.step == number]

    def fits(self, properties: dict[str, Any], chains: Chains) -> list[Bindings]:
        """The bindings that an occurrence with these properties agrees with."""
        values = [properties.get(name) for name in self.compared]
        if None in values:
            return []
        if not values:
            return list(chains)
        keys = [value_key(value) for value in values]
        return [bindings for bindings in chains if [bindings[place] for place in self.with_] == keys]

    def extended(self, bindings: Bindings, properties: dict[str, Any]) -> Bindings:
        """The bindings with those of this step; None, which nothing agrees with, for a property that is not there."""
        if not self.added:
            return bindings
        return (*bindings, *(value_key(properties.get(name)) for name in self.added))


def static_tests(step: Step) -> list[PropertyTest]:
    """The tests of a step that refer to no other."""
    return [test for test in step.where if not isinstance(test.value, Reference)]


def references_of(clause: Sequence) -> list[Reference]:
    """What the steps refer to, each once, by step: the order of the bindings."""
    found = {test.value for step in clause.steps for test in step.where if isinstance(test.value, Reference)}
    return sorted(found, key=lambda reference: (reference.step, reference.property))


def sequence(clause: Sequence) -> Judge:
    """The judge of a sequence."""
    references, window = references_of(clause), clause.window
    matchers = [_Matcher(number, step, references) for number, step in enumerate(clause.steps)]

    def judge(profile: Profile, now: int) -> Judgement:
        found = [matcher.find(profile) for matcher in matchers]
        edge = min(next_edge((at for at, _ in each), window, now) for each in found)
        absent = clause.steps[-1].absent
        chains: Chains = {(): []}
        for number, matcher in enumerate(matchers[:-1] if absent else matchers):
            inside = [each for each in found[number] if is_inside(each[0], window, now)]
            chains = _begin(matcher, inside) if not number else _go_on(matcher, inside, chains)
        if not absent:
            return bool(chains), edge
        # Those of the absent step count whether inside the window or not, also at their own edges.
        edge = min([edge, *(at for at, _ in found[-1] if at > now)])
        held, deadline = _has_stayed_away(matchers[-1], found[-1], chains, now)
        return held, min(edge, deadline)

    return judge


def _begin(matcher: _Matcher, inside: list[Detailed]) -> Chains:
    chains: Chains = {}
    for at, properties in inside:
        chains.setdefault(matcher.extended((), properties), []).append(at)
    return chains


def _go_on(matcher: _Matcher, inside: list[Detailed], chains: Chains) -> Chains:
    arrived: Chains = {}
    within = matcher.step.within
    for at, properties in inside:
        for bindings in matcher.fits(properties, chains):
            before = chains[bindings]
            place = bisect_left(before, at)
            if not place or (within and before[place - 1] < at - within):
                continue
            insort(arrived.setdefault(matcher.extended(bindings, properties), []), at)
    return arrived


def _has_stayed_away(matcher: _Matcher, found: list[Detailed], chains: Chains, now: int) -> tuple[bool, int]:
    """Whether a chain was not followed by the step within its time, and the next time that runs out after `now`."""
    within = matcher.step.within
    came: Chains = {}
    for at, properties in found:
        if at <= now:
            for bindings in matcher.fits(properties, chains):
                came.setdefault(bindings, []).append(at)
    deadline = NEVER
    held = False
    for bindings, arrivals in chains.items():
        times = came.get(bindings, [])
        for at in arrivals:
            if at + within > now:
                deadline = min(deadline, at + within)
                continue
            place = bisect_right(times, at)
            held = held or place == len(times) or times[place] > at + within
    return held, deadline
