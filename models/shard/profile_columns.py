"""The shard's profiles as columns: brought in after a start, and kept up with every change."""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping
from operator import neg

from models.events.event import Event
from models.profile.policy import ProfilePolicy
from models.profile.properties import pack_properties
from models.profile.reduce import time_of
from models.profile.state import Profile
from models.segments.columns import Columns


class ProfileColumns:
    """`columns`, and who is not in them yet, or not as they are."""

    def __init__(self, anonymous: Collection[str]) -> None:
        self.columns = Columns(anonymous)
        self._unloaded: list[int] = []  # customer ids, last first
        self._load_end = 0  # greatest customer id that was to be loaded
        self._stale: set[int] = set()  # profiles of this step that are to be taken in anew

    @property
    def unloaded(self) -> int:
        """How many profiles are not in the columns yet, after a start."""
        return len(self._unloaded)

    def begin(self, customer_ids: Iterable[int]) -> None:
        """These are to be brought in: see `next_unloaded`."""
        self._unloaded = sorted(customer_ids, reverse=True)
        self._load_end = self._unloaded[0] if self._unloaded else 0

    def next_unloaded(self, limit: int) -> list[int]:
        """The next profiles to `put` into the columns."""
        taken = self._unloaded[-limit:][::-1]
        del self._unloaded[-limit:]
        return taken

    def observe(self, profile: Profile, event: Event, changed: list[str], policy: ProfilePolicy) -> None:
        """Brings the columns up to one event, unless the profile is to be taken in anew anyway."""
        customer_id = profile.customer_id
        if customer_id not in self._stale and not self._is_unloaded(customer_id):
            detail = pack_properties(event, policy)[0]
            self.columns.observe(profile, event, time_of(event), detail, changed)

    def take_anew(self, customer_id: int) -> None:
        """The profile's change is more than one event's: the next `update` makes all of it anew."""
        self._stale.add(customer_id)

    def remove(self, customer_id: int) -> None:
        """The profile has ended."""
        self._stale.discard(customer_id)
        self.columns.remove(customer_id)

    def update(self, changed: Mapping[int, Profile]) -> None:
        """Brings the columns up to the profiles that have changed in this step."""
        columns = self.columns
        for customer_id, profile in changed.items():
            if self._is_unloaded(customer_id):
                if customer_id in self._stale:
                    self._bring_in(customer_id)
                continue
            if customer_id in self._stale or columns.slot_of(customer_id) < 0:
                columns.put(profile)
        self._stale.clear()
        columns.compact()

    def _bring_in(self, customer_id: int) -> None:
        """An unmerge may have brought a profile back since `begin`."""
        row = bisect_left(self._unloaded, -customer_id, key=neg)
        if row == len(self._unloaded) or self._unloaded[row] != customer_id:
            self._unloaded.insert(row, customer_id)

    def _is_unloaded(self, customer_id: int) -> bool:
        return bool(self._unloaded) and self._unloaded[-1] <= customer_id <= self._load_end
