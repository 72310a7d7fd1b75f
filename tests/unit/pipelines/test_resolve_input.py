"""Files of records as one input: ids, sources, columns by role across files, what is asked for and what is refused."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.identity.record import ROLES
from models.identity.roles import SAMPLE_MAX
from pipelines.resolve_input import ResolveInput, parse_columns, read_input, sample_columns
from pipelines.resolve_tables import LISTS, STRINGS, InputError, read_table

CRM = "id,first_name,last_name,email,created\n"
CRM += "1,Jane,Doe,jane@example.com,2024-01-01\n2,Bob,Ray,bob@example.com,2024-01-02\n"
SHOP = "id,fname,surname,phone\n7,Jane,Doe,+1 202 555 0101\n8,Ann,Lee,+1 202 555 0102\n"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def roles(found: ResolveInput) -> dict[str, str | None]:
    return {guess.column: guess.role for guess in found.roles}


def values(found: ResolveInput) -> dict[str, list[list[Any]]]:
    return {role: [column.to_pylist() for column in columns] for role, columns in found.by_role().items()}


def refusal(*arguments: Any, **options: Any) -> str:
    with pytest.raises(InputError) as refused:
        read_input(*arguments, **options)
    return str(refused.value)


def test_one_file(tmp_path: Path) -> None:
    found = read_input([write(tmp_path / "crm.csv", CRM)], "id")
    assert roles(found) == {"first_name": "given_name", "last_name": "family_name", "email": "email", "created": None}
    assert values(found) == {
        "given_name": [["Jane", "Bob"]],
        "family_name": [["Doe", "Ray"]],
        "email": [["jane@example.com", "bob@example.com"]],
    }
    assert found.table.column_names == ["first_name", "last_name", "email"]
    assert found.record_ids.to_pylist() == ["1", "2"]
    assert found.sources.to_pylist() == ["crm", "crm"]
    assert found.source_count == 1
    assert found.columns("phone") == []


def test_files_with_other_names_for_the_same(tmp_path: Path) -> None:
    found = read_input([write(tmp_path / "crm.csv", CRM), write(tmp_path / "shop.csv", SHOP)], "id")
    assert values(found) == {
        "given_name": [["Jane", "Bob", None, None], [None, None, "Jane", "Ann"]],
        "family_name": [["Doe", "Ray", None, None], [None, None, "Doe", "Lee"]],
        "email": [["jane@example.com", "bob@example.com", None, None]],
        "phone": [[None, None, "+1 202 555 0101", "+1 202 555 0102"]],
    }
    assert found.record_ids.to_pylist() == ["1", "2", "7", "8"]
    assert found.sources.to_pylist() == ["crm", "crm", "shop", "shop"]
    assert found.source_count == 2


def test_a_name_that_means_different_things_in_two_files_stays_apart(tmp_path: Path) -> None:
    german = write(tmp_path / "a.csv", "id,Name,Vorname\n1,Schmidt,Anna\n2,Weber,Jan\n")
    english = write(tmp_path / "b.csv", "id,Name\n3,Jane Doe\n4,Bob Ray\n")
    found = read_input([german, english], "id")
    assert roles(found) == {
        "Name (family_name)": "family_name",
        "Vorname": "given_name",
        "Name (full_name)": "full_name",
    }
    assert values(found) == {
        "full_name": [[None, None, "Jane Doe", "Bob Ray"]],
        "given_name": [["Anna", "Jan", None, None]],
        "family_name": [["Schmidt", "Weber", None, None]],
    }


def test_an_id_that_only_two_files_share_is_used(tmp_path: Path) -> None:
    one = write(tmp_path / "a.csv", "id,customer_id,email\n1,C1,a@x.com\n2,C2,b@x.com\n")
    other = write(tmp_path / "b.csv", "id,customer_id,email\n3,C1,c@x.com\n4,C4,d@x.com\n")
    assert roles(read_input([one], "id"))["customer_id"] is None
    assert roles(read_input([one, other], "id"))["customer_id"] == "other_id"


def test_lists_in_one_file_and_texts_in_another(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["1", "2"], "email": [["a@x.com", "b@x.com"], None]}), tmp_path / "a.parquet")
    text = write(tmp_path / "b.csv", "id,email\n3,c@x.com\n4,\n5,d@x.com\n")
    (column,) = read_input([tmp_path / "a.parquet", text], "id").columns("email")
    assert column.type == LISTS
    assert column.to_pylist() == [["a@x.com", "b@x.com"], None, ["c@x.com"], None, ["d@x.com"]]


def test_sources_from_a_column(tmp_path: Path) -> None:
    text = "id,system,email\n1,crm,a@x.com\n2,shop,b@x.com\n3,,c@x.com\n"
    found = read_input([write(tmp_path / "all.csv", text)], "id", "system")
    assert found.sources.to_pylist() == ["crm", "shop", "all"]
    assert found.source_count == 3
    assert roles(found) == {"email": "email"}
    assert pa.types.is_dictionary(found.sources.type)


def test_files_of_one_name_get_their_directories_as_well(tmp_path: Path) -> None:
    one, other = write(tmp_path / "a" / "people.csv", CRM), write(tmp_path / "b" / "people.csv", SHOP)
    assert set(read_input([one, other], "id").sources.to_pylist()) == {"a/people", "b/people"}


def test_ids_that_several_sources_use_become_source_and_id(tmp_path: Path) -> None:
    one = write(tmp_path / "crm.csv", "id,email\n1,a@x.com\n2,b@x.com\n")
    other = write(tmp_path / "shop.csv", "id,email\n2,c@x.com\n3,d@x.com\n")
    assert read_input([one, other], "id").record_ids.to_pylist() == ["crm/1", "crm/2", "shop/2", "shop/3"]
    text = write(tmp_path / "all.csv", "id,system,email\n1,crm,a@x.com\n1,shop,b@x.com\n")
    assert read_input([text], "id", "system").record_ids.to_pylist() == ["crm/1", "shop/1"]


def test_repeated_ids_are_refused(tmp_path: Path) -> None:
    text = "id,email\n1,a@x.com\n2,b@x.com\n1,c@x.com\n3,d@x.com\n2,e@x.com\n"
    message = refusal([write(tmp_path / "crm.csv", text)], "id")
    assert '--id-column "id": 4 records have the id of another record (crm.csv: rows 1, 2, 3, 5)' in message
    assert "--source-column" in message
    other = write(tmp_path / "shop.csv", "id,email\n7,f@x.com\n8,g@x.com\n")
    message = refusal([tmp_path / "crm.csv", other], "id")
    assert "4 records have the id of another record of their source (crm.csv: rows 1, 2, 3, 5)" in message


def test_repeated_ids_within_a_source_are_refused(tmp_path: Path) -> None:
    text = "id,system,email\n1,crm,a@x.com\n1,shop,b@x.com\n1,crm,c@x.com\n"
    message = refusal([write(tmp_path / "all.csv", text)], "id", "system")
    assert "2 records have the id of another record of their source (all.csv: rows 1, 3)" in message
    assert "name a column whose values are there once each" in message


def test_missing_ids_are_refused(tmp_path: Path) -> None:
    rows = "".join(f"{'' if i % 2 else i},p{i}@x.com\n" for i in range(1, 21))
    message = refusal([write(tmp_path / "crm.csv", f"id,email\n{rows}")], "id")
    assert '--id-column "id": 10 records have no id (crm.csv: rows 1, 3, 5, 7, 9, ...)' in message
    assert "p1@x.com" not in message
    assert "1 record has no id" in refusal([write(tmp_path / "crm.csv", "id,email\n,a@x.com\n")], "id")


@pytest.mark.parametrize("option", ["--id-column", "--source-column"])
def test_a_column_that_is_not_there(tmp_path: Path, option: str) -> None:
    path = write(tmp_path / "crm.csv", CRM)
    arguments = ("Last-Name", None) if option == "--id-column" else ("id", "Last-Name")
    message = refusal([path], *arguments)
    assert message.startswith(
        f'{option}: crm.csv has no column "Last-Name"; the columns are: id, first_name, last_name'
    )
    assert '(nearest: "last_name")' in message
    assert "nearest" not in refusal([path], "xqz")


def test_an_id_column_of_lists_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [["1"], ["2"]], "email": ["a@x.com", "b@x.com"]}), tmp_path / "a.parquet")
    assert "holds lists; expected one value a record" in refusal([tmp_path / "a.parquet"], "id")


def test_no_files_and_the_same_file_twice(tmp_path: Path) -> None:
    path = write(tmp_path / "crm.csv", CRM)
    assert "expected at least one" in refusal([], "id")
    assert "the same file is given twice" in refusal([path, path], "id")


def test_nothing_to_match_on(tmp_path: Path) -> None:
    assert "no column is recognised" in refusal([write(tmp_path / "a.csv", "id,x\n1,blue\n2,red\n")], "id")


def test_columns_as_asked(tmp_path: Path) -> None:
    path = write(tmp_path / "crm.csv", CRM)
    found = read_input([path], "id", columns="family_name=created, ignore=email")
    assert roles(found) == {
        "first_name": "given_name",
        "last_name": "family_name",
        "email": None,
        "created": "family_name",
    }
    assert [(guess.certainty, guess.reason) for guess in found.roles if guess.column in ("email", "created")] == [
        (1.0, "ignored: as asked"),
        (1.0, "as asked"),
    ]
    assert len(found.columns("family_name")) == 2


def test_the_id_column_is_matched_on_if_asked(tmp_path: Path) -> None:
    text = "email,name\na@x.com,Jane Doe\nb@x.com,Bob Ray\n"
    path = write(tmp_path / "crm.csv", text)
    assert roles(read_input([path], "email")) == {"name": "full_name"}
    found = read_input([path], "email", columns="email=email")
    assert roles(found) == {"email": "email", "name": "full_name"}
    assert found.record_ids.to_pylist() == ["a@x.com", "b@x.com"]


def test_columns_with_commas_in_their_names(tmp_path: Path) -> None:
    file = read_table(write(tmp_path / "a.csv", 'id,"Name, full",Tel\n1,Jane Doe,5\n'))
    assert parse_columns("full_name=Name, full,phone=Tel", [file]) == {"Name, full": "full_name", "Tel": "phone"}
    assert parse_columns("", [file]) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("email", "expected role=column"),
        ("email=", "expected role=column"),
        ("forename=first_name", 'there is no role "forename"'),
        ("familyname=last_name", '(nearest: "family_name")'),
        ("forename=first_name", ", ".join(ROLES)),
        ("email=mail", 'no file has a column "mail"; the columns are: id, first_name, last_name, email, created'),
        ("email=e_mail", '(nearest: "email")'),
        ("email=email,phone=email", '"email" is there twice'),
    ],
)
def test_columns_that_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path / "crm.csv", CRM)
    assert message in refusal([path], "id", columns=text)


def test_nested_columns_are_told_of(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["1"], "email": ["a@x.com"], "orders": [[{"sku": 1}]]}), tmp_path / "a.parquet")
    found = read_input([tmp_path / "a.parquet"], "id")
    assert roles(found) == {"email": "email", "orders": None}
    assert found.roles[-1].reason == "ignored: nested values or bytes"


ORGANISATIONS = "id,first_name,last_name,company\n1,Jane,Doe,\n2,,,Acme Inc\n3,Bob,Ray,\n4,,,Globex LLC\n"


def test_companies_in_records_without_people_are_the_records_names(tmp_path: Path) -> None:
    found = read_input([write(tmp_path / "a.csv", ORGANISATIONS)], "id")
    assert roles(found)["company"] == "full_name"
    assert "of organisations" in found.roles[-1].reason
    employers = ORGANISATIONS.replace("Doe,", "Doe,Initech Ltd").replace("Ray,", "Ray,Hooli Inc")
    assert roles(read_input([write(tmp_path / "b.csv", employers)], "id"))["company"] == "employer"
    asked = read_input([tmp_path / "a.csv"], "id", columns="employer=company")
    assert roles(asked)["company"] == "employer"


def test_samples_are_spread_over_the_values_that_are_there() -> None:
    rows = 50_000
    sparse = [str(i) if i % 10 == 0 else None for i in range(rows)]
    chunks = pa.chunked_array([sparse[:7], sparse[7:30_000], sparse[30_000:30_000], sparse[30_000:]], STRINGS)
    (found,) = sample_columns(pa.table({"n": chunks}))
    assert (len(found.values), found.filled, found.distinct) == (SAMPLE_MAX, 0.1, 1.0)
    numbers = [int(value) for value in found.values]
    assert numbers == sorted(numbers)
    assert max(b - a for a, b in pairwise(numbers)) <= 30
    assert numbers[-1] > rows - 60


def test_samples_of_lists_are_their_elements() -> None:
    lists = pa.array([["a", "b"], None, ["a"]], LISTS)
    (found,) = sample_columns(pa.table({"tags": pa.chunked_array([lists])}))
    assert (found.values, found.filled) == (["a", "b", "a"], 2 / 3)
    assert found.distinct == 2 / 3


def test_a_value_that_is_there_twice_is_found_far_from_the_sample() -> None:
    ids = [str(i // 2) for i in range(500_000)]  # neighbours are alike
    (found,) = sample_columns(pa.table({"customer_id": pa.chunked_array([ids])}))
    assert found.distinct is not None
    assert found.distinct < 1.0


def test_an_empty_table_has_samples_without_values() -> None:
    (found,) = sample_columns(pa.table({"a": pa.chunked_array([], STRINGS)}))
    assert (found.values, found.filled, found.distinct) == ([], 0.0, None)
