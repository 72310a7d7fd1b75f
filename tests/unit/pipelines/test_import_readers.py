"""Rows of files: dialects, encodings, quotes that go wrong, JSON Lines, Parquet."""

from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.import_mapping import FileOptions, MappingError
from pipelines.import_readers import SourceFile, sniff_delimiter


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def read(path: Path, options: FileOptions | None = None) -> tuple[list[str], list[tuple[int, object]]]:
    file = SourceFile(path, options or FileOptions())
    lines = list(file.lines())
    assert not lines or lines[-1].position == file.size
    return file.columns, [(line.number, line.problem or line.row) for line in lines]


@pytest.mark.parametrize(
    ("lines", "delimiter"),
    [
        (["a,b", "1,x y z", "2,y z w"], ","),
        (["a;b", "1,5;2", "3,7;4"], ";"),
        (["a\tb", "1\t2"], "\t"),
        (["a|b", "1|2"], "|"),
        ([" customer_id  date number_of_cds", " 00001 19970101  1"], " "),
        (["a", "1"], ","),
        (['a,b', '"x;y;z",2', '"p;q;r",3'], ","),
    ],
)  # fmt: skip
def test_sniff(lines: list[str], delimiter: str) -> None:
    assert sniff_delimiter(lines) == delimiter


def test_white_space_and_crlf_as_in_cdnow(tmp_path: Path) -> None:
    path = write(
        tmp_path / "log.txt", " customer_id  date value\r\n 00001 19970101   11.77\r\n 00002 19970112 12.00\r\n"
    )
    assert read(path) == (
        ["customer_id", "date", "value"],
        [
            (2, {"customer_id": "00001", "date": "19970101", "value": "11.77"}),
            (3, {"customer_id": "00002", "date": "19970112", "value": "12.00"}),
        ],
    )


def test_quotes_new_lines_nulls_and_byte_order_mark(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", '\ufeffid,note,size\n1,"two\nlines, ""quoted""",5" disk\n\n2,NULL,\n')
    assert read(path, FileOptions(nulls=("", "NULL"))) == (
        ["id", "note", "size"],
        [
            (2, {"id": "1", "note": 'two\nlines, "quoted"', "size": '5" disk'}),
            (5, {"id": "2", "note": None, "size": None}),
        ],
    )


def test_broken_lines_do_not_take_good_ones_with_them(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'id,name\n1,Ann\n2,"Bob\n3,Cy,extra\n4\n5,"D"x\n6,\xff\n7,"Eve"\n8,Flo\n')
    assert read(path) == (
        ["id", "name"],
        [
            (2, {"id": "1", "name": "Ann"}),
            (3, "a quoted field is never closed"),
            (4, "expected 2 fields, found 3"),
            (5, "expected 2 fields, found 1"),
            (6, "quotes that do not pair, or a field too long"),
            (7, "not utf-8-sig text"),
            (8, {"id": "7", "name": "Eve"}),
            (9, {"id": "8", "name": "Flo"}),
        ],
    )


def test_other_encoding_and_no_header(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dat", "1;Jürgen\n2;Zoë\n", "cp1252")
    options = FileOptions(format="csv", delimiter=";", columns=("id", "name"), encoding="cp1252")
    assert read(path, options)[1] == [(1, {"id": "1", "name": "Jürgen"}), (2, {"id": "2", "name": "Zoë"})]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.csv", "", "empty"),
        ("a.csv", "1,2\n3,4\n", "not a header"),
        ("a.csv", "id,id\n3,4\n", "same name"),
        ("a.xml", "<a/>", "file.format"),
        ("a.jsonl", "[1]\nnope\n", "JSON object"),
        ("a.parquet", "PAR?", "not a Parquet file"),
    ],
)
def test_not_a_table(tmp_path: Path, name: str, text: str, expected: str) -> None:
    with pytest.raises(MappingError, match=expected):
        SourceFile(write(tmp_path / name, text), FileOptions())


def test_json_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"id": 1, "tags": ["x"]}\n\n{"id": 2\n[3]\n{"id": NaN}\n{"id": 4, "new": ""}\n')
    assert read(path) == (
        ["id", "tags", "new"],
        [
            (1, {"id": 1, "tags": ["x"]}),
            (3, "not valid JSON"),
            (4, "expected a JSON object"),
            (5, "not valid JSON"),
            (6, {"id": 4, "new": None}),
        ],
    )


def test_long_lines_are_told_and_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.import_readers._LINE_BYTES_MAX", 20)
    path = write(tmp_path / "a.jsonl", '{"id": 1}\n' + "x" * 95 + '\n{"id": 2}\n')
    assert read(path)[1] == [(1, {"id": 1}), (2, "the line is longer than 20 bytes"), (3, {"id": 2})]


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table({"id": ["a", None], "at": [datetime(2026, 1, 1), None], "n": [1.5, float("nan")]})
    pq.write_table(table, path)
    assert read(path) == (
        ["id", "at", "n"],
        [(1, {"id": "a", "at": datetime(2026, 1, 1), "n": 1.5}), (2, {"id": None, "at": None, "n": None})],
    )
