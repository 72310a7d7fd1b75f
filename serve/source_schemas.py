"""The schemas of sources: from the rules that operators set to the compiled form that the parser checks with."""

from collections.abc import Callable, Mapping

from actors.control import ControlStore, SchemaRule
from actors.errors import Invalid
from models.events import wire
from models.events.schema import InvalidSchema, SchemaSettings, SourceSchema
from serve.snapshot import Snapshot

_TRACK = "track:"


class SourceSchemas:
    """Compiled schemas of all sources, at most half a second behind the control store."""

    def __init__(self, store: ControlStore, now: Callable[[], int]) -> None:
        self._store = store
        self._compiled = Snapshot(store, self._compile, now)

    def of(self, source_id: str) -> wire.Source:
        """The source, with no schema if it has none or is not known."""
        return self._compiled.get().get(source_id) or wire.Source(source_id)

    def _compile(self) -> dict[str, wire.Source]:
        return {
            source.source_id: wire.Source(source.source_id, compile_rules(source.schemas))
            for source in self._store.sources()
            if source.schemas
        }


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
