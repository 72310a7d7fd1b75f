"""The trained model as a document: what it says, what it keeps to itself, and what is refused."""

from typing import Any

import msgspec
import pytest

from models.identity.blocking import BlockingSettings
from models.identity.columns import column_of
from models.identity.fields import Reading
from models.identity.mixture import KINSHIPS, Mixture
from models.identity.model import COMMON_MIN, FORMAT, Frequencies, MatchModel, coincidences, count_frequencies

# Numbers that a document must bring back to the last bit.
ODD = [0.1, 1 / 3, 5e-324, 1e-9, 1 - 2**-53, 0.1 + 0.2, 2.2250738585072014e-308]


def model(**changes: Any) -> MatchModel:
    made = MatchModel(
        Reading("dmy"),
        [("email",), ("birth_date[:4]", "name~")],
        BlockingSettings(2.5, 99),
        Mixture(("given_name",), ODD, [[[*ODD, 0.0]] for _ in KINSHIPS], {"email": [[*ODD, 0.5]]}, {"given_name": ODD}),
        {"given_name": Frequencies({"anna": 1 / 7, "josé": 0.1}, 1 / 3)},
        1234,
    )
    return msgspec.structs.replace(made, **changes)


def test_a_document_brings_back_every_bit() -> None:
    back = MatchModel.decode(model().encode())
    assert back == model()
    assert [x.hex() for x in back.mixture.shares] == [x.hex() for x in ODD]
    assert back.encode() == model().encode()


def test_the_version_changes_with_the_content_and_with_nothing_else() -> None:
    swapped = model(frequencies={"given_name": Frequencies({"josé": 0.1, "anna": 1 / 7}, 1 / 3)})
    assert swapped.version == model().version  # the order of values is no content
    others = [
        model(records=1235),
        model(alone=0.25),
        model(reading=Reading("mdy")),
        model(keys=[("email",)]),
        model(blocking=BlockingSettings(2.5, 100)),
        model(frequencies={"given_name": Frequencies({"anna": 1 / 7, "josé": 0.1}, 0.3)}),
    ]
    assert len({model().version, *(other.version for other in others)}) == 1 + len(others)


@pytest.mark.parametrize("document", [b"", b"[]", b"not json", b'{"format": 1}', b"\xff\xfe", b'{"keys": 1}'])
def test_what_is_no_model_is_refused(document: bytes) -> None:
    with pytest.raises(ValueError, match="not a matching model"):
        MatchModel.decode(document)


def test_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match=f"format: expected {FORMAT}, found 7; train"):
        MatchModel.decode(model(format=7).encode())


def test_only_common_values_are_named() -> None:
    column = column_of([("lee",)] * COMMON_MIN + [("ray",)] * (COMMON_MIN - 1) + [("kim",), ()])
    frequencies = count_frequencies({"family_name": column})["family_name"]
    assert frequencies.common == {"lee": COMMON_MIN / (2 * COMMON_MIN)}
    # Seen from a record, a rare value is had by (9 * 9 + 1 * 1) / 10 records.
    assert frequencies.rare == pytest.approx(8.2 / (2 * COMMON_MIN))
    assert frequencies.of(["lee", "ray", "never seen"]).tolist() == [0.5, frequencies.rare, frequencies.rare]


def test_the_typical_frequency_is_that_of_a_usual_record() -> None:
    assert Frequencies({"lee": 0.25, "kim": 0.25}, 0.01).typical == pytest.approx((0.25 * 0.25 * 0.01**2) ** 0.25)
    assert Frequencies({}, 0.02).typical == pytest.approx(0.02)
    assert Frequencies({"x": 1.0}, 0.5).typical == pytest.approx(1.0)


def test_values_that_everybody_has_leave_a_rare_one() -> None:
    frequencies = count_frequencies({"city": column_of([("leeds",)] * 40)})["city"]
    assert frequencies.common == {"leeds": 1.0}
    assert frequencies.rare == 1 / 40


def test_coincidence_is_the_share_of_pairs_that_agree() -> None:
    fields: Any = {
        "city": column_of([("a",), ("a",), ("b",), ()]),
        "email": column_of([("x", "y"), ("x",), ("z",)]),
        "phone": column_of([("1",), ()]),
    }
    assert coincidences(fields) == {"city": 1 / 3, "email": 0.0, "phone": 0.0}


def test_an_address_is_shared_by_chance_if_many_have_it() -> None:
    records = [("info@x.org",)] * COMMON_MIN + [("ann@x.org",)] * 2
    fields: Any = {"email": column_of(records)}
    total = COMMON_MIN + 2
    assert coincidences(fields)["email"] == COMMON_MIN * (COMMON_MIN - 1) / (total * (total - 1))
