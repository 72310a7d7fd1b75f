"""Labels of people from files: what is read, and errors that name the row and never what is in it."""

from math import isnan
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.identity.customer_id import mint, to_text
from pipelines.label_file import Labels, read_labels

ANN, BOB = (mint(0, 1_760_000_000_000, number) for number in range(2))
TIMES = [1_760_000_000_000, 1_760_000_100_000]


def written(folder: Path, text: str) -> Path:
    path = folder / "labels.csv"
    path.write_text(text)
    return path


def test_labels_of_both_forms(tmp_path: Path) -> None:
    rows = {"customer_id": [to_text(ANN), to_text(BOB)], "label": [1, None]}
    pq.write_table(pa.table(rows), tmp_path / "labels.parquet")
    assert read_labels(tmp_path / "labels.parquet") == ({ANN: 1.0}, None)
    text = f"label,customer_id\n0.5,{to_text(ANN)}\n,{to_text(BOB)}\n"
    assert read_labels(written(tmp_path, text)) == ({ANN: 0.5}, None)


def test_two_who_are_one_person_have_the_label_that_both_have() -> None:
    labels = Labels({1: 1.0, 2: 1.0, 3: 0.0, 4: 1.0, 5: 1.0, 6: 0.0}, 7)
    found = labels.followed({1: 2, 3: 4, 6: 8, 5: 4})
    assert found.as_of == 7 and found.of.keys() == {2, 4, 8}
    assert (found.of[2], found.of[8]) == (1.0, 0.0) and isnan(found.of[4])
    assert labels.followed({}) == labels


def test_labels_of_one_of_several_times(tmp_path: Path) -> None:
    times = pa.array([TIMES[0], TIMES[1], TIMES[1]], pa.timestamp("ms", "UTC"))
    ids = [to_text(each) for each in (ANN, ANN, BOB)]
    table = pa.table({"customer_id": ids, "as_of": times, "label": [1.0, 0.0, 1.0]})
    path = tmp_path / "labels.parquet"
    pq.write_table(table, path)
    assert read_labels(path, TIMES[1]) == ({ANN: 0.0, BOB: 1.0}, TIMES[1])
    with pytest.raises(ValueError, match="of 2 times: choose one"):
        read_labels(path)
    with pytest.raises(ValueError, match="none of that time"):
        read_labels(path, 5)
    broken = table.set_column(0, "customer_id", pa.array([*ids[:2], ids[1]]))
    pq.write_table(broken, path)
    with pytest.raises(ValueError, match="row 3 was there"):  # as the file counts, not those of the time
        read_labels(path, TIMES[1])
    pq.write_table(pa.table({"customer_id": ids, "label": [[1.0]] * 3}), path)
    with pytest.raises(ValueError, match="numbers in label"):
        read_labels(path)
    pq.write_table(table.slice(1), path)
    assert read_labels(path).as_of == TIMES[1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("jane,label\nx,1\n", "expected one column customer_id"),
        (f"customer_id,label,label\n{to_text(ANN)},1,0\n", "expected one column label"),
        (f"customer_id,label\n{to_text(ANN)},inf\n", "label of row 1 is no number"),
        (f"customer_id,label,as_of\n{to_text(ANN)},1,2026-01-31\n{to_text(BOB)},1,\n", "as_of of row 2 is missing"),
        (f"customer_id,label\n{to_text(ANN)},jane\n", "numbers in label"),
        (f"customer_id,label\n{to_text(ANN)},1\njane,1\n", "row 2 is no customer id"),
        (f"customer_id,label\n{to_text(ANN)},1\n{to_text(ANN)},1\n", "row 2 was there before"),
        ("customer_id,label\n", "none of that time"),
        ("customer_id,label\njane,1,2\n", "cannot be read as .csv"),
    ],
)
def test_what_is_wrong_is_named_without_what_is_in_it(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        read_labels(written(tmp_path, text))
    assert "jane" not in str(raised.value) and to_text(ANN) not in str(raised.value)


def test_other_files_are_refused(tmp_path: Path) -> None:
    for name, message in (("none.csv", "No such file"), ("labels.json", "ends in .csv or .parquet")):
        with pytest.raises(ValueError, match=message):
            read_labels(tmp_path / name)
    for suffix in (".csv", ".parquet"):
        folder = tmp_path / f"folder{suffix}"
        folder.mkdir()
        with pytest.raises(ValueError, match="no file that can be read"):
            read_labels(folder)
