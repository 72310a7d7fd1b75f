"""The records to be resolved: several files as one table, and what each of its columns means for matching.

Files are joined by the columns' names and meanings. What a column means is guessed in each file by itself, since
"name" beside "first_name" is a family name in one file and alone in another a full name; columns of one name that
mean different things stay apart.

Record ids are those of the id column. Where several sources use the same ids, every record id becomes
"source/id", so that it is still one record's.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rapidfuzz import fuzz, process

from models.identity.record import ROLES, Role
from models.identity.roles import SAMPLE_MAX, ColumnSample, RoleGuess, guess_roles, ignored
from pipelines.resolve_tables import LISTS, STRINGS, FileTable, InputError, read_table

IGNORE = "ignore"
ASKED = "as asked"
_COUNTED_MAX = 200_000  # values that the share of distinct ones is measured on
_SHOWN = 5
_NEAR = 60  # rapidfuzz score, of 100, from which a name is offered instead of one that is not there
_ORGANISATIONS = 0.9  # share of a column's values in records without a person's name
_PEOPLE: tuple[Role, ...] = ("full_name", "given_name", "family_name")


NO_FIELDS = "INPUT: no column tells of a person; name some with --columns role=column"


@dataclass(frozen=True)
class ResolveInput:
    """Records in the order of their files. All columns have one value a record; null is a missing value.

    `table` has the columns with a role, as `pa.string()` or `pa.list_(pa.string())` (lists are not empty and hold
    no nulls). `record_ids` are texts, each there once; `sources` are texts as `pa.dictionary`, with one dictionary
    for all chunks. `roles` tells of every column of the files but the id and the source.
    """

    table: Any  # pa.Table
    record_ids: Any  # pa.ChunkedArray
    sources: Any  # pa.ChunkedArray
    roles: list[RoleGuess]

    @property
    def source_count(self) -> int:
        """How many sources the records are from."""
        return len(self.sources.chunk(0).dictionary) if self.sources.num_chunks else 0

    def columns(self, role: Role) -> list[Any]:
        """The columns (pa.ChunkedArray) of a role, in the order of the files; [] if there are none."""
        return [self.table[guess.column] for guess in self.roles if guess.role == role]

    def by_role(self) -> dict[Role, list[Any]]:
        """Every role that has columns, with them."""
        return {role: found for role in ROLES if (found := self.columns(role))}


def read_input(
    paths: Sequence[Path], id_column: str, source_column: str | None = None, columns: str = ""
) -> ResolveInput:
    """Reads files and guesses their columns. `columns` is "role=column,...", as `parse_columns` takes it.

    The source of a record is what `source_column` says, else its file's name without the ending. Raises InputError.
    """
    if not paths:
        raise InputError("INPUT: expected at least one CSV or Parquet file")
    files = [read_table(path) for path in paths]
    for file in files:
        for option, name in (("--id-column", id_column), ("--source-column", source_column)):
            if name is not None and name not in file.table.column_names:
                raise InputError(f'{option}: {file.path.name} has no column "{name}"; {_there_are(name, [file])}')
    asked = parse_columns(columns, files)
    kept = [name for name in (id_column, source_column) if name is not None and name not in asked]
    sources = _sources(files, source_column)
    record_ids = _record_ids(files, id_column, source_column, sources)
    table, guesses = _joined([file.table.drop_columns(kept) for file in files], asked)
    left_out = dict.fromkeys(name for file in files for name in file.left_out)
    guesses += [ignored(name, "nested values or bytes", 1.0) for name in left_out]
    matched = [guess.column for guess in guesses if guess.role is not None]
    if not matched:
        raise InputError("--columns: no column is recognised as something to match on; name them: role=column,...")
    return ResolveInput(table.select(matched), record_ids, sources, guesses)


def parse_columns(text: str, files: Sequence[FileTable]) -> dict[str, Role | None]:
    """Column -> role of "role=column,role=column"; "ignore=column" gives None. A column's name may hold commas.

    Raises InputError for what is not of that form, and for roles and columns that do not exist.
    """
    asked: dict[str, Role | None] = {}
    names = {name for file in files for name in file.table.column_names}
    roles: dict[str, Role | None] = {IGNORE: None, **{role: role for role in ROLES}}
    for piece in re.split(r",(?=[^,=]*=)", text) if text.strip() else ():
        role, equals, column = (part.strip() for part in piece.partition("="))
        if not equals or not column:
            raise InputError(
                "--columns: expected role=column,role=column,... such as given_name=FirstName,ignore=Notes"
            )
        if role not in roles:
            raise InputError(
                f'--columns: there is no role "{role}"{_nearest(role, roles)}; the roles are: {", ".join(ROLES)}; '
                f"and {IGNORE}"
            )
        if column not in names:
            raise InputError(f'--columns: no file has a column "{column}"; {_there_are(column, files)}')
        if column in asked:
            raise InputError(f'--columns: "{column}" is there twice; expected one role a column')
        asked[column] = roles[role]
    return asked


def _there_are(name: str, files: Sequence[FileTable]) -> str:
    there = list(dict.fromkeys(column for file in files for column in file.table.column_names))
    return f"the columns are: {', '.join(there)}{_nearest(name, there)}"


def _nearest(name: str, there: Sequence[str] | Mapping[str, object]) -> str:
    plain = {choice: re.sub(r"[\W_]+", "", choice).lower() for choice in there}
    found = process.extractOne(re.sub(r"[\W_]+", "", name).lower(), plain, scorer=fuzz.ratio, score_cutoff=_NEAR)
    return f' (nearest: "{found[2]}")' if found else ""


# Ids and sources


def _sources(files: Sequence[FileTable], source_column: str | None) -> Any:
    """The source of each record, dictionary-encoded. A record whose source column is empty belongs to its file's."""
    chunks = []
    for file, name in zip(files, _file_sources(files), strict=True):
        if source_column is None:
            codes = pa.array(np.zeros(file.table.num_rows, np.int32))
            chunks.append(pa.DictionaryArray.from_arrays(codes, pa.array([name], STRINGS)))
        else:
            texts = _plain(file, source_column, "--source-column")
            chunks += pc.fill_null(texts, name).dictionary_encode().chunks
    return pa.chunked_array(chunks, pa.dictionary(pa.int32(), STRINGS)).unify_dictionaries()


def _file_sources(files: Sequence[FileTable]) -> list[str]:
    """The files' names without ending; with their directories', too, if two would be the same."""
    paths = [file.path.resolve() for file in files]
    if len(set(paths)) < len(paths):
        raise InputError("INPUT: the same file is given twice")
    for parts in range(1, 1 + max(len(path.parts) for path in paths)):
        names = ["/".join((*path.parts[-parts:-1], path.stem)) for path in paths]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in paths]  # a.csv and a.parquet


def _plain(file: FileTable, name: str, option: str) -> Any:
    column = file.table[name]
    if column.type != STRINGS:
        raise InputError(f'{option}: "{name}" of {file.path.name} holds lists; expected one value a record')
    return column


def _record_ids(files: Sequence[FileTable], id_column: str, source_column: str | None, sources: Any) -> Any:
    option = f'--id-column "{id_column}"'
    ids = pa.chunked_array([c for f in files for c in _plain(f, id_column, "--id-column").chunks], STRINGS)
    if ids.null_count:
        raise InputError(
            f"{option}: {_records(ids.null_count)} no id ({_where(pc.is_null(ids), files)}); "
            "fill the ids in, or name a column that has them"
        )
    if (repeated := _repeated(ids)) is None:
        return ids
    if pc.count_distinct(sources.cast(STRINGS)).as_py() > 1:
        ids = pc.binary_join_element_wise(sources.cast(STRINGS), ids, "/")
        repeated = _repeated(ids)
        if repeated is None:
            return ids
    way_out = "name a column whose values are there once each"
    if source_column is None:
        way_out += ", or the column that tells the sources of these ids apart: --source-column"
    raise InputError(
        f"{option}: {_records(pc.sum(repeated).as_py())} the id of another record"
        f"{' of their source' if source_column or len(files) > 1 else ''} ({_where(repeated, files)}); {way_out}"
    )


def _records(count: int) -> str:
    return "1 record has" if count == 1 else f"{count:,} records have"


def _repeated(ids: Any) -> Any:
    """Which ids are there more than once, as booleans; None if there are none."""
    if pc.count_distinct(ids).as_py() == len(ids):
        return None
    counts = pc.value_counts(ids)
    several = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    return pc.is_in(ids, several)


def _where(marked: Any, files: Sequence[FileTable]) -> str:
    """The first rows that are marked, by file; row 1 is the first below the header."""
    parts, start = [], 0
    for file in files:
        rows = file.table.num_rows
        found = np.flatnonzero(marked.slice(start, rows).to_numpy()) + 1
        start += rows
        if len(found):
            more = ", ..." if len(found) > _SHOWN else ""
            parts.append(f"{file.path.name}: rows {', '.join(map(str, found[:_SHOWN]))}{more}")
    return "; ".join(parts)


# Columns


def sample_columns(table: Any) -> list[ColumnSample]:
    """A look at each column: SAMPLE_MAX values spread evenly over those that are there, list elements singly.

    How many are distinct is measured on more: the first values, which show neighbours that are alike, and others
    spread over the rest.
    """
    samples = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        filled = len(column) - column.null_count
        values = _spread(column, filled, SAMPLE_MAX)
        counted = column.drop_null().slice(0, _COUNTED_MAX // 2) if filled > _COUNTED_MAX else column.drop_null()
        if filled > _COUNTED_MAX:
            counted = pa.chunked_array([*counted.chunks, *_spread(column, filled, _COUNTED_MAX // 2).chunks])
        if column.type == LISTS:
            values, counted = pc.list_flatten(values), pc.list_flatten(counted)
        distinct = pc.count_distinct(counted).as_py() / len(counted) if len(counted) else None
        share = filled / len(column) if len(column) else 0.0
        samples.append(ColumnSample(name, values.slice(0, SAMPLE_MAX).to_pylist(), share, distinct))
    return samples


def _spread(column: Any, filled: int, count: int) -> Any:
    """Up to `count` of the values that are there, at even distances, in their order."""
    if filled <= count:
        return column.drop_null()
    wanted = np.arange(count, dtype=np.int64) * filled // count
    picked, start = [], 0
    for chunk in column.chunks:
        there = len(chunk) - chunk.null_count
        low, high = np.searchsorted(wanted, (start, start + there))
        if high > low:
            positions = np.flatnonzero(chunk.is_valid().to_numpy(zero_copy_only=False))
            picked.append(chunk.take(pa.array(positions[wanted[low:high] - start])))
        start += there
    return pa.chunked_array(picked, column.type)


def _joined(tables: Sequence[Any], asked: Mapping[str, Role | None]) -> tuple[Any, list[RoleGuess]]:
    """The tables one below the other, and the guesses; a column's role may be asked for."""
    each = [_guessed(table, asked) for table in tables]
    places: dict[tuple[str, Role | None], str] = {}  # name and role -> name in the whole
    meanings: dict[str, list[Role]] = {}
    for guesses in each:
        for guess in guesses:
            roles = meanings.setdefault(guess.column, [])
            if guess.role is not None and guess.role not in roles:
                roles.append(guess.role)
    for name, roles in meanings.items():
        places[name, None] = name if len(roles) < 2 else f"{name} (no role)"
        places |= {(name, role): name if len(roles) < 2 else f"{name} ({role})" for role in roles}
    parts: dict[str, dict[int, Any]] = {}
    found: dict[str, RoleGuess] = {}
    for i, (table, guesses) in enumerate(zip(tables, each, strict=True)):
        for guess, column in zip(guesses, table.columns, strict=True):
            place = places[guess.column, guess.role]
            parts.setdefault(place, {})[i] = column
            better = place not in found or (guess.role is not None, guess.certainty) > (
                found[place].role is not None,
                found[place].certainty,
            )
            if better:
                found[place] = replace(guess, column=place)
    whole = pa.table({place: _stacked(tables, columns) for place, columns in parts.items()})
    if len(tables) > 1:
        # What no file tells by itself, all may tell together: an id that only two files share.
        for guess in _guessed(whole, {place: found[place].role for place in found if found[place].role}):
            if found[guess.column].role is None and guess.role is not None:
                found[guess.column] = guess
    guesses = [found[place] for place in whole.column_names]
    return whole, _organisations(whole, guesses, asked)


def _guessed(table: Any, asked: Mapping[str, Role | None]) -> list[RoleGuess]:
    guesses = []
    for guess in guess_roles(sample_columns(table)):
        if guess.column in asked:
            role = asked[guess.column]
            guess = RoleGuess(guess.column, role, 1.0, ASKED) if role else ignored(guess.column, ASKED, 1.0)
        guesses.append(guess)
    return guesses


def _stacked(tables: Sequence[Any], columns: Mapping[int, Any]) -> Any:
    """One column of all tables, with nulls for those that do not have it; lists if it is lists in any."""
    kind = LISTS if any(column.type == LISTS for column in columns.values()) else STRINGS
    chunks: list[Any] = []
    for i, table in enumerate(tables):
        column = columns.get(i)
        if column is None:
            chunks.append(pa.nulls(table.num_rows, kind))
        else:
            chunks += [chunk if chunk.type == kind else _singles(chunk) for chunk in column.chunks]
    return pa.chunked_array(chunks, kind)


def _singles(chunk: Any) -> Any:
    """Texts as lists of one."""
    there = chunk.is_valid().to_numpy(zero_copy_only=False)
    offsets = np.concatenate(([0], np.cumsum(there))).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), chunk.drop_null(), mask=pa.array(~there))


def _organisations(table: Any, guesses: list[RoleGuess], asked: Mapping[str, Role | None]) -> list[RoleGuess]:
    """Companies' names in records that name no person are the records' own names, not people's employers."""
    people = [table[guess.column] for guess in guesses if guess.role in _PEOPLE]
    if not people:
        return guesses
    nobody = pc.is_null(people[0])
    for column in people[1:]:
        nobody = pc.and_(nobody, pc.is_null(column))
    out = []
    for guess in guesses:
        if guess.role == "employer" and guess.column not in asked:
            there = pc.is_valid(table[guess.column])
            alone = pc.sum(pc.and_(there, nobody)).as_py() or 0
            if alone >= _ORGANISATIONS * (pc.sum(there).as_py() or 1):
                reason = f"{guess.reason}; of organisations, in records without a person's name"
                guess = replace(guess, role="full_name", reason=reason)
        out.append(guess)
    return out
