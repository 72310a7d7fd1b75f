"""Segments whose criteria read data of a special category: who is in one of them tells of that data, so that it is told
for purposes alone that the data serves."""

from collections.abc import Mapping
from typing import Any, Protocol

from models.privacy.purposes import Purposes
from models.privacy.visibility import serves_special
from models.segments.catalogue import catalogue_of, resolve
from models.segments.compile import Reads, compile_resolved
from models.segments.field_reader import InvalidCriteria


class Definitions(Protocol):
    """Where segments are defined (`actors.control.ControlStore`)."""

    def version(self) -> int: ...
    def segments(self) -> Mapping[str, dict[str, Any]]: ...
    def computed_traits(self) -> Mapping[str, dict[str, Any]]: ...


class SpecialSegments:
    """Those of one process. Without labels of special categories there are none, and nothing is looked up."""

    def __init__(self, control: Definitions, purposes: Purposes) -> None:
        self._control = control
        self._purposes = purposes
        self._has_labels = purposes.is_on and bool(purposes.labels.keys() & set(purposes.special_labels))
        self._version = -1
        self._reads: dict[str, Reads] = {}

    def may_tell(self, segment_id: str, purpose: str) -> bool:
        """Whether it may be told for a purpose of the registry who is in a segment. Not of one that is gone, or
        that cannot be read."""
        if not self._has_labels:
            return True
        version = self._control.version()
        if version != self._version:
            self._reads = self._load()
            self._version = version
        reads = self._reads.get(segment_id)
        return reads is not None and serves_special(self._purposes, purpose, reads)

    def _load(self) -> dict[str, Reads]:
        catalogue = catalogue_of(self._control.segments(), self._control.computed_traits())
        found = {}
        for segment_id, definition in catalogue.segments.items():
            try:
                found[segment_id] = compile_resolved(resolve(definition, catalogue)).reads
            except InvalidCriteria:  # of another version: nobody knows what it tells of
                continue
        return found
