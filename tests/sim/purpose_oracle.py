"""Who may read which canary for which purpose, worked out naively from docs/purposes.md: nothing of models/privacy.

Everybody has a *self*, the identifiers that one person began with. Selves are joined and taken apart. What is said of
consent is a log; what holds for somebody follows from replaying it without the joins that were undone.
"""

from dataclasses import dataclass, field

DAY_MS = 86_400_000
CONSENT_DAYS = 30
MINOR_AGE_MS = 16 * 365.25 * DAY_MS
PURPOSES = ("service", "analytics", "ads", "tax")
TRAITS = ("plan", "firstName", "income", "segment_x", "theme", "taxid")
# Of every kind of canary, the purposes that it serves: by the registry in `purpose_world`, read by hand.
SERVES = {
    "identity": "service",
    "plan": "service",
    "firstName": "service",
    "income": "ads",
    "segment_x": "ads",
    "theme": "analytics",
    "taxid": "tax",
    "Seen": "service",
    "Order Completed": "service",
    "Ad Clicked": "ads",
    "Invoice Paid": "tax",
    "page": "analytics",
    "context": "analytics",
    "group": "ads",
}


@dataclass
class Canary:
    """One value that was told of somebody."""

    text: str
    who: int  # self
    kind: str
    at: int  # ms
    is_kept: bool  # whether its purpose had a basis when it came
    within: str = ""  # kind of the event that it came in, if that is another one's


@dataclass
class Oracle:
    """The log, and what follows from it. Times in ms."""

    canaries: dict[str, Canary] = field(default_factory=dict)
    letters: set[str] = field(default_factory=set)  # canaries of messages that were refused
    born: dict[int, int] = field(default_factory=dict)  # self -> ms
    joins: list[tuple[int, int]] = field(default_factory=list)  # standing, in order; place in the log, other self
    parted: set[int] = field(default_factory=set)  # selves that were part of somebody who was taken apart
    _log: list[tuple[str, int, int, dict[str, bool] | int]] = field(default_factory=list)

    def say(self, who: int, at: int, answers: dict[str, bool]) -> None:
        """Somebody has answered, by category or purpose."""
        self._log.append(("say", who, at, answers))

    def tell_birthday(self, who: int, at: int, born: int) -> None:
        """Somebody has said when they were born; it is kept unless all processing is restricted."""
        if self.has_basis("service", who, at):
            self._log.append(("born", who, at, born))

    def join(self, who: int, other: int, at: int) -> None:
        """The two are one person."""
        self.joins.append((len(self._log), other))
        self._log.append(("join", who, at, other))

    def undo(self) -> None:
        """The latest join is taken back."""
        place, other = self.joins.pop()
        person = self.person_of(other)
        self.parted |= {who for who in self.born if self.person_of(who) == person}
        self._log[place] = ("undone", 0, 0, 0)

    def put(self, text: str, who: int, kind: str, at: int, within: str = "") -> None:
        """A value has come, in an event of the kind `within`. What was said with it counts already."""
        needed = {SERVES[each] for each in (kind, within) if each}
        is_kept = kind == "identity" or all(self.has_basis(each, who, at) for each in needed)
        self.canaries[text] = Canary(text, who, kind, at, is_kept, within)

    def person_of(self, who: int) -> int:
        """The self that stands for the whole person."""
        return self._replay()[0][who]

    def has_basis(self, purpose: str, who: int, now: int) -> bool:
        """Whether a purpose has a basis for the person of this self."""
        roots, told, births = self._replay()
        answers, (_, born) = told[roots[who]], births[roots[who]]
        if answers.get("!restricted", (0, False))[1]:
            return purpose == "tax"
        if purpose in ("service", "tax"):
            return True
        if born and now - born < MINOR_AGE_MS and not answers.get("!guardian", (0, False))[1]:
            return False
        if purpose == "analytics":
            return answers.get("analytics", (0, True))[1]
        given = [answers[name] for name in ("ads", "Advertising") if name in answers]
        if not all(agreed for _, agreed in given):
            return False
        return any(now < at + CONSENT_DAYS * DAY_MS for at, _ in given)

    def may_show(self, text: str, purpose: str, now: int) -> bool:
        """Whether a canary may be in an answer for a purpose."""
        found = self.canaries.get(text)
        if found is None or not found.is_kept or SERVES[found.kind] != purpose:
            return False
        return self.has_basis(purpose, found.who, now)

    def in_events(self, purpose: str, now: int) -> set[str]:
        """What the events of people show who were never taken apart. A context is shown to nobody: no purpose has both
        it and identifiers."""
        shown = {
            each.text
            for each in self.canaries.values()
            if each.kind not in ("identity", "context") and SERVES.get(each.within, purpose) == purpose
        }
        mixed = {each.text for each in self.canaries.values() if each.who in self.parted}
        return {text for text in shown - mixed if self.may_show(text, purpose, now)}

    def in_profiles(self, purpose: str, now: int) -> set[str]:
        """What profiles show: of each person the latest of each trait."""
        latest: dict[tuple[int, str], Canary] = {}
        for each in self.canaries.values():
            if each.kind in TRAITS and each.is_kept:
                key = (self.person_of(each.who), each.kind)
                if key not in latest or latest[key].at < each.at:
                    latest[key] = each
        return {each.text for each in latest.values() if self.may_show(each.text, purpose, now)}

    def _replay(self) -> tuple[dict[int, int], dict[int, dict[str, tuple[int, bool]]], dict[int, tuple[int, int]]]:
        """Self -> the self of the person; of these: category -> (when, answer); and (when told, born)."""
        roots = {who: who for who in self.born}
        told: dict[int, dict[str, tuple[int, bool]]] = {who: {} for who in self.born}
        births = dict.fromkeys(self.born, (0, 0))
        for what, who, at, detail in self._log:
            if what == "say" and isinstance(detail, dict):
                told[roots[who]] |= {name: (at, answer) for name, answer in detail.items()}
            elif what == "born" and isinstance(detail, int):
                births[roots[who]] = (at, detail)
            elif what == "join" and isinstance(detail, int):
                one, other = roots[who], roots[detail]
                for name, (when, answer) in told[other].items():
                    if name in told[one]:
                        before, held = told[one][name]
                        strict = held or answer if name == "!restricted" else held and answer
                        told[one][name] = (max(when, before), strict)
                    else:
                        told[one][name] = (when, answer)
                births[one] = max(births[one], births[other])
                roots = {each: one if root == other else root for each, root in roots.items()}
        return roots, told, births
