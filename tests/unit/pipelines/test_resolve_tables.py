"""Files as tables of texts: dialects, encodings, lists in texts, Parquet types, files that cannot be read."""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.resolve_tables import LISTS, STRINGS, InputError, read_table


def csv(tmp_path: Path, text: str | bytes, encoding: str = "utf-8") -> dict[str, list[Any]]:
    path = tmp_path / "people.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    table = read_table(path).table
    assert {column.type for column in table.columns} <= {STRINGS, LISTS}
    return table.to_pydict()  # type: ignore[no-any-return]


def parquet(tmp_path: Path, columns: dict[str, Any]) -> dict[str, list[Any]]:
    path = tmp_path / "people.parquet"
    pq.write_table(pa.table(columns), path)
    table = read_table(path).table
    assert {column.type for column in table.columns} <= {STRINGS, LISTS}
    return table.to_pydict()  # type: ignore[no-any-return]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters(tmp_path: Path, delimiter: str) -> None:
    text = "id,name\n1,Jane Doe\n2,Bob Ray\n".replace(",", delimiter)
    assert csv(tmp_path, text) == {"id": ["1", "2"], "name": ["Jane Doe", "Bob Ray"]}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "latin-1", "utf-16"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    assert csv(tmp_path, "id,Straße\n1,Allée à Zürich\n", encoding) == {"id": ["1"], "Straße": ["Allée à Zürich"]}


def test_other_letters_after_the_head_of_the_file(tmp_path: Path) -> None:
    rows = "".join(f"{i},plain\n" for i in range(60_000))
    found = csv(tmp_path, f"id,name\n{rows}x,Jürgen\n", "cp1252")
    assert (len(found["id"]), found["name"][-1]) == (60_001, "Jürgen")


def test_bytes_that_windows_does_not_know_are_latin_1(tmp_path: Path) -> None:
    assert csv(tmp_path, b"id,name\n1,J\xfcr\x81gen\n") == {"id": ["1"], "name": ["J\xfcr\x81gen"]}


def test_blanks_around_values_and_names_are_dropped(tmp_path: Path) -> None:
    assert csv(tmp_path, "id, name\n1,  Jane \n2, \n") == {"id": ["1", "2"], "name": ["Jane", None]}


def test_texts_for_no_value_are_null_and_the_family_name_null_is_not(tmp_path: Path) -> None:
    text = "id,surname\n1,NULL\n2,Null\n3,NaN\n4,\\N\n5,None\n6,\n7,Na\n"
    assert csv(tmp_path, text)["surname"] == [None, "Null", None, None, None, None, "Na"]


def test_values_in_quotes_may_hold_delimiters_line_ends_and_quotes(tmp_path: Path) -> None:
    text = 'id,address\n1,"12 Main St, Apt 4\nSpringfield"\n2,"the ""Oaks"""\n'
    assert csv(tmp_path, text)["address"] == ["12 Main St, Apt 4\nSpringfield", 'the "Oaks"']


def test_leading_zeros_and_long_numbers_are_kept(tmp_path: Path) -> None:
    assert csv(tmp_path, "id,zip\n00012345678901234567890,01234\n") == {
        "id": ["00012345678901234567890"],
        "zip": ["01234"],
    }


def test_blank_lines_windows_line_ends_and_a_column_without_a_name(tmp_path: Path) -> None:
    assert csv(tmp_path, "\r\n,id\r\n0,a\r\n\r\n1,b\r\n") == {"column 1": ["0", "1"], "id": ["a", "b"]}


def test_one_column_of_several_words(tmp_path: Path) -> None:
    assert csv(tmp_path, "name\nJane Doe\nBob Ray\n") == {"name": ["Jane Doe", "Bob Ray"]}


def test_header_only(tmp_path: Path) -> None:
    assert csv(tmp_path, "id,name\n") == {"id": [], "name": []}


def test_lists_of_python_and_json(tmp_path: Path) -> None:
    text = (
        "id,email,tags\n"
        '1,"[\'a@x.com\', \'b@x.com\']","[""x"", ""y""]"\n'
        "2,['c@x.com'],[]\n"
        '3,,"[1, 2]"\n'
        '4,[],"[""caf\\u00e9, bar"", null]"\n'
        '5,"[""o\'neill@x.com""]","[""""]"\n'
    )
    assert csv(tmp_path, text) == {
        "id": ["1", "2", "3", "4", "5"],
        "email": [["a@x.com", "b@x.com"], ["c@x.com"], None, None, ["o'neill@x.com"]],
        "tags": [["x", "y"], None, ["1", "2"], ["café, bar"], None],
    }


def test_several_addresses_and_numbers_in_one_value(tmp_path: Path) -> None:
    text = (
        "id|email|phone|name\n"
        "1|a@x.com; b@x.com|+1 202 555 0101;+1 202 555 0102|Doe; Jane\n"
        "2|c@x.com|+1 202 555 0103|Ray; Bob\n"
        "3|||\n"
    )
    assert csv(tmp_path, text) == {
        "id": ["1", "2", "3"],
        "email": [["a@x.com", "b@x.com"], ["c@x.com"], None],
        "phone": [["+1 202 555 0101", "+1 202 555 0102"], ["+1 202 555 0103"], None],
        "name": ["Doe; Jane", "Ray; Bob", None],
    }


def test_a_value_in_brackets_does_not_make_lists(tmp_path: Path) -> None:
    assert csv(tmp_path, "id,name\n1,[deleted]\n2,Jane\n")["name"] == ["[deleted]", "Jane"]


def test_parquet_types_become_texts(tmp_path: Path) -> None:
    found = parquet(
        tmp_path,
        {
            "int": pa.array([1, None]),
            "whole": pa.array([62701.0, None]),
            "nan": pa.array([float("nan"), 2.0]),
            "float": pa.array([1.5, 2.0]),
            "bool": pa.array([True, None]),
            "date": pa.array([date(1980, 1, 2), None]),
            "midnight": pa.array([datetime(1980, 1, 2), None]),
            "time": pa.array([datetime(1980, 1, 2, 3, 4), None]),
            "decimal": pa.array([Decimal("1.50"), None]),
            "large": pa.array([" Jane ", "NULL"], pa.large_string()),
            "dictionary": pa.array(["a", None]).dictionary_encode(),
            "nothing": pa.nulls(2),
            "list": pa.array([["a", None, " b "], []]),
            "numbers": pa.array([[1, 2], None], pa.large_list(pa.int64())),
            "struct": pa.array([{"city": "Lyon", "zip": {"code": 69001}}, None]),
        },
    )
    assert found == {
        "int": ["1", None],
        "whole": ["62701", None],
        "nan": [None, "2"],
        "float": ["1.5", "2"],
        "bool": ["true", None],
        "date": ["1980-01-02", None],
        "midnight": ["1980-01-02", None],
        "time": ["1980-01-02 03:04:00.000000", None],
        "decimal": ["1.50", None],
        "large": ["Jane", None],
        "dictionary": ["a", None],
        "nothing": [None, None],
        "list": [["a", "b"], None],
        "numbers": [["1", "2"], None],
        "struct.city": ["Lyon", None],
        "struct.zip.code": ["69001", None],
    }


def test_parquet_bytes_maps_and_lists_of_structs_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "people.parquet"
    nested = pa.array([[{"a": 1}]])
    maps = pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64()))
    pq.write_table(pa.table({"id": ["1"], "nested": nested, "bytes": pa.array([b"\xff"]), "map": maps}), path)
    found = read_table(path)
    assert found.table.column_names == ["id"]
    assert found.left_out == ("nested", "bytes", "map")


def test_many_row_groups(tmp_path: Path) -> None:
    path = tmp_path / "people.parquet"
    pq.write_table(
        pa.table({"id": list(range(1000)), "tags": [[str(i)] for i in range(1000)]}), path, row_group_size=64
    )
    found = read_table(path).table
    assert found["id"].to_pylist() == [str(i) for i in range(1000)]
    assert found["tags"].to_pylist() == [[str(i)] for i in range(1000)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("\n \n", "the file is empty"),
        ("1,Jane\n2,Bob\n", "the first line is not a header"),
        ("jane@example.com,x\nbob@example.com,y\n", "the first line is not a header"),
        ("id,name,name\n1,a,b\n", 'two columns are called "name"'),
        (
            "id,name\n1,secret\n2\n3,secret,x,y\n4,ok\n",
            "expected 2 fields a row, as in the header; row 2 has 1, row 3 has 4",
        ),
    ],
)
def test_files_that_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as refused:
        csv(tmp_path, text)
    assert message in str(refused.value)
    assert "people.csv" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_many_bad_rows_are_counted(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="row 5 has 1 and 15 more rows"):
        csv(tmp_path, "id,name\n" + "1\n" * 20)


def test_no_file_and_no_parquet(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        read_table(tmp_path / "none.csv")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(InputError, match=r"broken\.parquet: cannot be read"):
        read_table(tmp_path / "broken.parquet")
