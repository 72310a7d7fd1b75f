"""What workers found, put together: which of it counts, and which is part of somebody else's longer text.

Where a raw hit is touched by letters or digits, SQLite may simply have put two values side by side, so it counts unless
a decoded table holds the very text that explains it: mary.jane@example.com explains jane@example.com behind "mary.".
"""

from collections import Counter
from collections.abc import Sequence

from models.privacy.needles import Hit, Needle
from models.privacy.scan_report import Found, How
from pipelines.scan_job import JobResult

_Touch = tuple[str, str, Hit, str, How, int]  # store, file, hit, place, how, count


class Findings:
    """Takes in results, then tells what was found."""

    def __init__(self, needles: Sequence[Needle], control: Sequence[Needle]) -> None:
        self._marks = [each.fingerprint for each in (*needles, *control)]
        self._kinds = [each.kind for each in needles]
        self._control = {each.fingerprint for each in control}
        self._control_from = len(needles)
        self._seen: set[str] = set()
        self._counts: dict[tuple[str, str, str, str, How, bool], int] = {}
        self._touches: list[_Touch] = []
        self._longer: dict[int, set[tuple[str, str]]] = {}
        self.control_found: Counter[str] = Counter()
        """Store -> places where canaries that must be found were."""

    def add(self, store: str, result: JobResult) -> None:
        """Takes in what one file gave."""
        for number, place, how, count in result.whole:
            if number >= self._control_from:
                self._seen.add(self._marks[number])
                self.control_found[store] += 1
            else:
                self._note(number, store, result.file, place, how, count, self._kinds[number] != "value")
        for number, place, how, count in result.values:
            if number < self._control_from:
                self._note(number, store, result.file, place, how, count, False)
        for hit, place, how, count in result.touched:
            if hit.needle < self._control_from:
                self._touches.append((store, result.file, hit, place, how, count))
                if how == "decoded" and result.tables:
                    self._longer.setdefault(hit.needle, set()).add((hit.left, hit.right))

    def found(self) -> dict[str, list[Found]]:
        """What was found, by store."""
        for store, file, hit, place, how, count in self._touches:
            self._note(hit.needle, store, file, place, how, count, not self._explained(hit))
        found: dict[str, list[Found]] = {}
        for (store, mark, file, place, how, certain), count in sorted(self._counts.items()):
            # Where a needle was found for certain, hints say nothing more.
            if certain or (store, mark, file, place, how, True) not in self._counts:
                found.setdefault(store, []).append(Found(mark, file, place, how, count, certain))
        self._touches.clear()
        return found

    def control_missing(self) -> list[str]:
        """Fingerprints of canaries that must be there and were not found."""
        return sorted(self._control - self._seen)

    def _explained(self, hit: Hit) -> bool:
        longer = self._longer.get(hit.needle, ())
        return any(hit.left.endswith(left) and hit.right.startswith(right) for left, right in longer)

    def _note(self, number: int, store: str, file: str, place: str, how: How, count: int, certain: bool) -> None:
        # An identifier and its value are two needles with one fingerprint, and often found in one place.
        key = (store, self._marks[number], file, place.lstrip("."), how, certain)
        self._counts[key] = max(count, self._counts.get(key, 0))
