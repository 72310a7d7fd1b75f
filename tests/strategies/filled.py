"""A value of any type, with a text of its own in each place that can hold text, so that each can be looked for."""

from typing import Any

import msgspec
from msgspec import inspect

from models.profile.packing import pack

_DEPTH_MAX = 8


class Filler:
    """Makes values; `texts` are all that it has put into them. Bytes are packed like a profile's state."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def text(self) -> str:
        """A text that no other contains."""
        self.texts.append(f"planted-{len(self.texts):06d}-{'x' * 8}")
        return self.texts[-1]

    def packed(self) -> bytes:
        """A text inside a packed state."""
        return pack(msgspec.msgpack.encode([1, {"of": self.text()}, *range(20)]))

    def of(self, annotation: Any) -> Any:
        """A value of a type as it is written in code."""
        return self._made(inspect.type_info(annotation), 0)

    def _made(self, kind: inspect.Type, depth: int) -> Any:
        match kind:
            case inspect.StrType() | inspect.AnyType():
                return self.text()
            case inspect.BytesType():
                return self.packed()
            case inspect.BoolType():
                return True
            case inspect.IntType():
                return 1
            case inspect.FloatType():
                return 0.5
            case inspect.NoneType():
                return None
            case inspect.LiteralType():
                return kind.values[0]
            case inspect.EnumType():
                return next(iter(kind.cls))
            case inspect.ListType():
                return [self._made(kind.item_type, depth + 1)]
            case inspect.SetType() | inspect.FrozenSetType():
                return {self._made(kind.item_type, depth + 1)}
            case inspect.VarTupleType():
                return (self._made(kind.item_type, depth + 1),)
            case inspect.TupleType():
                return tuple(self._made(each, depth + 1) for each in kind.item_types)
            case inspect.DictType():
                return {self._made(kind.key_type, depth + 1): self._made(kind.value_type, depth + 1)}
            case inspect.UnionType():
                return self._chosen(kind, depth)
            case inspect.StructType() | inspect.NamedTupleType() | inspect.DataclassType():
                fields = {field.name: self._made(field.type, depth + 1) for field in kind.fields}
                return kind.cls(**fields)
        raise NotImplementedError(f"a type that this does not make yet: {kind}")

    def _chosen(self, kind: inspect.UnionType, depth: int) -> Any:
        if depth > _DEPTH_MAX and kind.includes_none:
            return None
        return self._made(next(each for each in kind.types if not isinstance(each, inspect.NoneType)), depth)
