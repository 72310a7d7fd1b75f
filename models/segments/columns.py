"""The profiles of a shard as columns: what criteria read, laid out so that all profiles are asked at once.

Columns are a projection of the profiles, kept beside them: never saved, made anew at a start. Each profile has a slot.
An event adds to its slot in place; any other change (a merge, a refund, an unmerge) gives the profile a new slot and
leaves the old one dead, until `compact` drops the dead ones. What columns cannot hold exactly they say of the slot:
occurrences that the profile knows by the day only (`aged`), orders folded into sums (`folded`), orders in several
currencies (`mixed`). Of these the profile itself is asked.
"""

from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.events.event import Event
from models.profile.properties import unpack_properties
from models.profile.state import ChannelStats, EventStats, Order, Profile
from models.profile.transactions import is_sale, order_id_of, refund_of
from models.segments.growing_array import GrowingArray, Int64s, Mask
from models.segments.spans import NEVER
from models.segments.value_column import ValueColumn

TRAITS_MAX = 1024  # columns of traits, those inside objects included
PROPERTIES_MAX = 64  # columns of one event's properties
NAMES_MAX = 20_000  # events
CHANNELS_MAX = 32
DEPTH_MAX = 4  # of an object's fields
_OBJECT: dict[str, Any] = {}  # stands for every object: no operator looks into one but through a dotted name
_TRIM_MIN = 4096  # occurrences that no profile holds which are not worth it
_COMPACT_MIN = 4096  # dead slots that are not worth it


class EventColumn:
    """The occurrences of one event, in order of arrival, with their properties."""

    def __init__(self) -> None:
        self.slots = GrowingArray(np.int32)
        self.times = GrowingArray(np.int64)
        self.latest = 0  # ms, of all times
        self.properties: dict[str, ValueColumn] = {}
        self.untracked: set[str] = set()  # properties beyond PROPERTIES_MAX
        self.aged: dict[int, int] = {}  # slot -> ms: from then on every occurrence is here as the profile knows it
        self._beyond = 0  # occurrences that profiles have let go of since they were put

    def add(self, slot: int, at: int, detail: bytes) -> None:
        position = self.slots.size
        self.slots.append(slot)
        self.times.append(at)
        if at > self.latest:
            self.latest = at
        if detail:
            for name, value in unpack_properties(detail).items():
                column = self.properties.get(name)
                if column is None:
                    if len(self.properties) >= PROPERTIES_MAX:
                        self.untracked.add(name)
                        continue
                    column = self.properties[name] = ValueColumn()
                column.put(position, value)

    def note_age(self, slot: int, stats: EventStats) -> None:
        """Notes from when on the profile knows the exact times and their properties."""
        is_older = stats.count > len(stats.recent)
        if is_older or stats.undetailed:
            since = stats.recent[0] if is_older and stats.recent else 0
            self.aged[slot] = max(since, stats.undetailed)

    def trim(self, size: int) -> None:
        """Counts an occurrence more of one of `size` slots. When too many are here that no profile holds any more,
        those go: whoever asks about them asks the profile."""
        self._beyond += 1
        if self._beyond < max(_TRIM_MIN, self.slots.size // 4):
            return
        since = np.full(size, -NEVER, np.int64)
        since[list(self.aged)] = list(self.aged.values())
        self._drop(self.times.view(self.times.size) >= since[self.slots.view(self.slots.size)])
        self._beyond = 0

    def _drop(self, kept: Mask) -> None:
        for column in self.properties.values():
            column.keep(kept)
        self.slots.keep(kept)
        self.times.keep(kept)

    def keep(self, kept_slots: Mask, moved: Any) -> None:
        self._drop(kept_slots[self.slots.view(self.slots.size)])
        view = self.slots.view(self.slots.size)
        view[:] = moved[view]
        self.aged = {int(moved[slot]): since for slot, since in self.aged.items() if kept_slots[slot]}


class OrderColumns:
    """Sales, and the lines of their products."""

    def __init__(self) -> None:
        self.slots = GrowingArray(np.int32)
        self.times = GrowingArray(np.int64)
        self.latest = 0  # ms, of all times
        self.turnover = 0  # micro-units: the sum of all amounts is no more, whichever way they are added
        self.revenue = GrowingArray(np.int64)  # micro-units
        self.refunded = GrowingArray(np.int64)
        self.currency = ValueColumn()
        self.line_sales = GrowingArray(np.int64)  # position of the line's sale
        self.line_revenue = GrowingArray(np.int64)
        self.product = ValueColumn()
        self.category = ValueColumn()
        self.sold = GrowingArray(np.int32)  # number of sales, by slot
        self.lined = GrowingArray(np.int32)  # number of their lines, by slot
        self.folded: set[int] = set()  # slots
        self.mixed: set[int] = set()  # slots

    def add(self, slot: int, order: Order) -> None:
        position = self.slots.size
        self.sold.put(slot, self.sold.view(slot + 1)[slot] + 1)
        self.lined.put(slot, self.lined.view(slot + 1)[slot] + len(order.products))
        self.slots.append(slot)
        self.times.append(order.timestamp)
        self.latest = max(self.latest, order.timestamp)
        self.turnover += abs(order.revenue) + refund_of(order)
        self.revenue.append(order.revenue)
        self.refunded.append(refund_of(order))
        self.currency.put(position, order.currency)
        categories = order.categories or [""] * len(order.products)
        for (product, _, revenue), category in zip(order.products, categories, strict=True):
            line = self.line_sales.size
            self.line_sales.append(position)
            self.line_revenue.append(revenue)
            self.product.put(line, product)
            self.category.put(line, category or None)

    def keep(self, kept_slots: Mask, moved: Any) -> None:
        kept = kept_slots[self.slots.view(self.slots.size)]
        lines = kept[self.line_sales.view(self.line_sales.size)]
        for lined in (self.line_sales, self.line_revenue, self.product, self.category):
            lined.keep(lines)
        sales = self.line_sales.view(self.line_sales.size)
        sales[:] = (np.cumsum(kept) - 1)[sales]
        for sold in (self.slots, self.times, self.revenue, self.refunded, self.currency):
            sold.keep(kept)
        view = self.slots.view(self.slots.size)
        view[:] = moved[view]
        self.sold.keep(kept_slots)
        self.lined.keep(kept_slots)
        self.folded = {int(moved[slot]) for slot in self.folded if kept_slots[slot]}
        self.mixed = {int(moved[slot]) for slot in self.mixed if kept_slots[slot]}


class ChannelColumn:
    """Engagement on one channel: a row for each slot that was met there."""

    def __init__(self) -> None:
        self._rows = GrowingArray(np.int32)  # by slot: its row and 1; 0 for none
        self._slots = GrowingArray(np.int32)  # by row
        self._count = GrowingArray(np.int32)
        self._first = GrowingArray(np.int64)
        self._last = GrowingArray(np.int64)
        self._actions: dict[str, GrowingArray] = {}

    def put(self, slot: int, stats: ChannelStats) -> None:
        row = int(self._rows.view(slot + 1)[slot]) - 1
        if row < 0:
            row = self._slots.size
            self._rows.put(slot, row + 1)
            self._slots.append(slot)
        self._count.put(row, stats.count)
        self._first.put(row, stats.first)
        self._last.put(row, stats.last)
        for action, count in stats.actions.items():
            held = self._actions.get(action)
            if held is None:
                held = self._actions[action] = GrowingArray(np.int32)
            held.put(row, count)

    def count(self, size: int, action: str = "") -> Int64s:
        """Engagements (with that action) by slot."""
        counted = self._actions.get(action) if action else self._count
        return self._by_slot(size, counted, 0)

    def first(self, size: int, absent: int) -> Int64s:
        """ms by slot; `absent` where there is none."""
        return self._by_slot(size, self._first, absent)

    def last(self, size: int, absent: int) -> Int64s:
        """ms by slot; `absent` where there is none."""
        return self._by_slot(size, self._last, absent)

    def keep(self, kept: Mask, moved: Any) -> None:
        rows = kept[self._slots.view(self._slots.size)]
        self._rows = GrowingArray(np.int32)
        for each in (self._slots, self._count, self._first, self._last, *self._actions.values()):
            each.keep(rows)
        slots = self._slots.view(self._slots.size)
        slots[:] = moved[slots]
        if len(slots):
            self._rows.view(int(slots.max()) + 1)[slots] = np.arange(1, len(slots) + 1)

    def _by_slot(self, size: int, held: GrowingArray | None, absent: int) -> Int64s:
        found = np.full(size, absent, np.int64)
        if held is not None:
            rows = self._slots.size
            found[self._slots.view(rows)] = held.view(rows)
        return found


class Columns:
    """All columns of a shard. `anonymous`: the namespaces of identifiers that do not make a person known."""

    def __init__(self, anonymous: Collection[str] = frozenset()) -> None:
        self._anonymous = anonymous
        self._ids = array("q")  # customer ids, ascending
        self._slots = array("i")  # of each of them; -1 for none
        self._customers = GrowingArray(np.int64)  # by slot
        self._live = GrowingArray(np.bool_)
        self._known = GrowingArray(np.bool_)
        self._due = GrowingArray(np.int64, NEVER)
        self._earliest = NEVER  # of the due times; 0 if that is to be found out
        self.has_due = False  # there may be due times
        self._dead = 0
        self.traits: dict[str, ValueColumn] = {}
        self.untracked_traits: set[str] = set()
        self._paths: dict[str, set[str]] = {}  # trait -> dotted names of what is inside it
        self.events: dict[str, EventColumn] = {}
        self.orders = OrderColumns()
        self.channels: dict[str, ChannelColumn] = {}
        self.complete = True  # False once there were too many names of events
        self.channelled: set[int] = set()  # slots with a channel beyond CHANNELS_MAX

    def __len__(self) -> int:
        """Profiles."""
        return self.size - self._dead

    @property
    def size(self) -> int:
        """Slots, dead ones included: the length of every mask."""
        return self._customers.size

    @property
    def live(self) -> Mask:
        """Which slots are of profiles."""
        return self._live.view(self.size)

    @property
    def known(self) -> Mask:
        """Which slots are of people with an identifier that outlives a device."""
        return self._known.view(self.size)

    @property
    def customers(self) -> Any:
        """Customer ids by slot (int64)."""
        return self._customers.view(self.size)

    def slot_of(self, customer_id: int) -> int:
        """The slot of a profile; -1 if it has none."""
        row = self._row(customer_id)
        return -1 if row < 0 else self._slots[row]

    # When to look at the clock, for profiles that were evaluated here and not one by one

    def lower_due(self, slots: NDArray[Any], moments: Int64s) -> None:
        """The verdicts on these slots may change at these moments (ms); an earlier one stays."""
        due = self._due.view(self.size)
        due[slots] = np.minimum(due[slots], moments)
        self._earliest = 0
        self.has_due = True

    def due_of(self, customer_id: int) -> int:
        """When to look at a profile again, ms; NEVER if that is not known here."""
        slot = self.slot_of(customer_id)
        return int(self._due.view(self.size)[slot]) if slot >= 0 else NEVER

    def clear_due(self, customer_id: int) -> None:
        """Forgets it: the profile knows by itself."""
        slot = self.slot_of(customer_id)
        if slot >= 0:
            due = self._due.view(self.size)
            if due[slot] <= self._earliest:
                self._earliest = 0
            due[slot] = NEVER

    def earliest_due(self) -> int:
        """The earliest of these times, ms; NEVER if there is none."""
        if not self._earliest:
            due = self._due.view(self.size)[self.live]
            self._earliest = int(due.min()) if len(due) else NEVER
            self.has_due = self._earliest != NEVER
        return self._earliest

    def due_by(self, now: int, limit: int) -> list[int]:
        """Up to `limit` customer ids that are due at `now` (ms)."""
        slots = np.flatnonzero((self._due.view(self.size) <= now) & self.live)[:limit]
        return [int(customer_id) for customer_id in self.customers[slots]]

    # Changes

    def put(self, profile: Profile) -> None:
        """Takes in a profile, or all of it anew."""
        customer_id = profile.customer_id
        row = self._row(customer_id)
        if row < 0:
            if not self._ids or customer_id > self._ids[-1]:
                row = len(self._ids)
                self._ids.append(customer_id)
                self._slots.append(-1)
            else:
                row = bisect_left(self._ids, customer_id)
                self._ids.insert(row, customer_id)
                self._slots.insert(row, -1)
        due = NEVER
        if self._slots[row] >= 0:
            due = int(self._due.view(self.size)[self._slots[row]])
            self._bury(self._slots[row])
        slot = self._slots[row] = self.size
        self._customers.put(slot, customer_id)
        self._live.put(slot, True)
        if due != NEVER:
            self._due.put(slot, due)
        self._fill(slot, profile)

    def remove(self, customer_id: int) -> None:
        """Forgets a profile, if it is there."""
        row = self._row(customer_id)
        if row >= 0 and self._slots[row] >= 0:
            self._bury(self._slots[row])
            self._slots[row] = -1

    def observe(self, profile: Profile, event: Event, at: int, detail: bytes, changed: list[str]) -> None:
        """Takes in what one event has changed of a profile that is here; `changed` as of models.profile.reduce.apply.

        `at` (ms) and `detail` (packed properties) are those that the profile counts the event with.
        """
        slot = self.slot_of(profile.customer_id)
        if slot < 0 or ("transactions" in changed and not self._add_order(slot, profile, event)):
            self.put(profile)
            return
        for path in changed:
            section, _, name = path.partition(".")
            if section == "behaviors":
                column = self._event(name)
                if column is not None:
                    column.add(slot, at, detail)
                    column.note_age(slot, profile.events[name])
                    if slot in column.aged:
                        column.trim(self.size)
            elif section == "attributes":
                self._put_trait(slot, name, profile)
            elif section == "engagement":
                self._put_channel(slot, name, profile.channels[name])
            elif section == "identities":
                self._known.put(slot, self._is_known(profile))

    def compact(self) -> None:
        """Drops the dead slots, if there are many."""
        if self._dead < max(_COMPACT_MIN, self.size // 4):
            return
        live = self.live.copy()
        moved = np.cumsum(live) - 1
        for column in self.traits.values():
            column.keep(live)
        for event in self.events.values():
            event.keep(live, moved)
        self.orders.keep(live, moved)
        for channel in self.channels.values():
            channel.keep(live, moved)
        self.channelled = {int(moved[slot]) for slot in self.channelled if live[slot]}
        for own in (self._customers, self._known, self._live, self._due):
            own.keep(live)
        self._dead = 0
        rows = [row for row, slot in enumerate(self._slots) if slot >= 0]
        self._ids = array("q", (self._ids[row] for row in rows))
        self._slots = array("i", (int(moved[self._slots[row]]) for row in rows))

    def _row(self, customer_id: int) -> int:
        ids = self._ids
        row = bisect_left(ids, customer_id)
        return row if row < len(ids) and ids[row] == customer_id else -1

    def _bury(self, slot: int) -> None:
        self._live.put(slot, False)
        self._dead += 1

    def _fill(self, slot: int, profile: Profile) -> None:
        self._known.put(slot, self._is_known(profile))
        for name in profile.attributes:
            self._put_trait(slot, name, profile)
        for name, stats in profile.events.items():
            column = self._event(name)
            if column is None:
                continue
            details = stats.details or [b""] * len(stats.recent)
            for at, detail in zip(stats.recent, details, strict=True):
                column.add(slot, at, detail)
            column.note_age(slot, stats)
        sales = [order for order in profile.orders.values() if is_sale(order)]
        for order in sales:
            self.orders.add(slot, order)
        if profile.folded is not None:
            self.orders.folded.add(slot)
        if len({order.currency for order in sales}) > 1:
            self.orders.mixed.add(slot)
        for name, channel in profile.channels.items():
            self._put_channel(slot, name, channel)

    def _add_order(self, slot: int, profile: Profile, event: Event) -> bool:
        """Adds the sale that an event has made. False if that is not all that it changed of the orders."""
        order = profile.orders.get(order_id_of(event))
        sales = sum([is_sale(each) for each in profile.orders.values()])
        if order is None or not is_sale(order) or profile.folded is not None:
            return False
        if sales != self.orders.sold.view(self.size)[slot] + 1:
            return False
        lines = sum([len(each.products) for each in profile.orders.values() if is_sale(each)])
        if lines != self.orders.lined.view(self.size)[slot] + len(order.products):
            return False
        self.orders.add(slot, order)
        if any(each.currency != order.currency for each in profile.orders.values() if is_sale(each)):
            self.orders.mixed.add(slot)
        return True

    def _is_known(self, profile: Profile) -> bool:
        return any(identifier.partition(":")[0] not in self._anonymous for identifier in profile.identifiers)

    def _event(self, name: str) -> EventColumn | None:
        column = self.events.get(name)
        if column is None:
            if len(self.events) >= NAMES_MAX:
                self.complete = False
                return None
            column = self.events[name] = EventColumn()
        return column

    def _put_channel(self, slot: int, name: str, stats: ChannelStats) -> None:
        column = self.channels.get(name)
        if column is None:
            if len(self.channels) >= CHANNELS_MAX:
                self.channelled.add(slot)
                return
            column = self.channels[name] = ChannelColumn()
        column.put(slot, stats)

    # Traits

    def _put_trait(self, slot: int, name: str, profile: Profile) -> None:
        """Sets a trait's column, and those of what is inside it. A trait of a dotted name hides what is inside another
        one under that name."""
        attributes = profile.attributes
        value = attributes[name].winner.value
        self._put_value(slot, name, value)
        known = self._paths.get(name)
        if "." in name:
            return
        if isinstance(value, dict):
            inside = dict(_leaves(name, value, DEPTH_MAX))
            if known is None:
                known = self._paths[name] = set()
            known.update(inside)
        elif known:
            inside = {}
        else:
            return
        for path in known:
            if path not in attributes:
                self._put_value(slot, path, inside.get(path))

    def _put_value(self, slot: int, name: str, value: Any) -> None:
        column = self.traits.get(name)
        if column is None:
            if value is None:
                return
            if len(self.traits) >= TRAITS_MAX:
                self.untracked_traits.add(name)
                return
            column = self.traits[name] = ValueColumn()
        column.put(slot, _OBJECT if isinstance(value, dict) else value)


def _leaves(prefix: str, value: dict[str, Any], depth: int) -> Iterable[tuple[str, Any]]:
    """Dotted names of an object's fields, objects inside it included, with their values."""
    for key, inner in value.items():
        if "." in key:
            continue
        path = f"{prefix}.{key}"
        yield path, inner
        if isinstance(inner, dict) and depth > 1:
            yield from _leaves(path, inner, depth - 1)
