"""The schemas of sources: from the rules that operators set to the compiled form that the parser checks with."""

from collections.abc import Callable, Mapping
from typing import Protocol

from actors import control
from actors.control import SchemaRule
from actors.errors import Invalid
from models.events import wire
from models.events.schema import InvalidSchema, SchemaSettings, SourceSchema

_REFRESH_MS = 500
_TRACK = "track:"


class SourceStore(Protocol):
    """The sources, as `actors.control.ControlStore` has them."""

    def version(self) -> int: ...

    def sources(self) -> list[control.Source]: ...


class SourceSchemas:
    """Compiled schemas of all sources, at most half a second behind the control store."""

    def __init__(self, store: SourceStore, now: Callable[[], int]) -> None:
        self._store = store
        self._now = now
        self._compiled: dict[str, wire.Source] = {}
        self._version = -1
        self._checked_ms = 0

    def of(self, source_id: str) -> wire.Source:
        """The source, with no schema if it has none or is not known."""
        now = self._now()
        if abs(now - self._checked_ms) >= _REFRESH_MS:
            self._checked_ms = now
            version = self._store.version()
            if version != self._version:
                self._version = version
                self._compiled = {
                    source.source_id: wire.Source(source.source_id, compile_rules(source.schemas))
                    for source in self._store.sources()
                    if source.schemas
                }
        return self._compiled.get(source_id) or wire.Source(source_id)


def compile_rules(rules: Mapping[str, SchemaRule]) -> SourceSchema:
    """Rules by type ("identify") or by type and name ("track:Order Completed"), compiled. Raises Invalid."""
    modes = {rule.mode for rule in rules.values()}
    if len(modes) > 1:
        raise Invalid("schemas: give all of a source's schemas the same mode, block or omit")
    named = {name: rule.document for name, rule in rules.items() if ":" in name}
    wrong = [name for name in named if not name.startswith(_TRACK)]
    if wrong:
        raise Invalid("schemas: expected a type such as identify, or track: and the name of an event")
    try:
        return SourceSchema(
            SchemaSettings(
                mode=modes.pop() if modes else "block",
                events={name.removeprefix(_TRACK): document for name, document in named.items()},
                types={name: rule.document for name, rule in rules.items() if name not in named},
            )
        )
    except InvalidSchema as error:
        raise Invalid(f"schemas: {error}") from None
