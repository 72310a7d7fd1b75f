"""Waterfalls: running totals, what does not add up, and what the text and the picture show."""

import json
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import pytest

from models.identity.drawing_text import cells
from models.identity.drawing_waterfall import Waterfall, check_sum, waterfall, waterfall_json, waterfall_text
from models.identity.drawing_waterfall_svg import waterfall_svg
from models.identity.evidence import Explanation, FieldEvidence

SVG = "{http://www.w3.org/2000/svg}"
EMAIL = FieldEvidence(
    field="email", level="exact", weight=14.25, frequency=1.5, left="jane@example.com", right="jane@example.com"
)
NAME = FieldEvidence(field="given_name", level="different", weight=-2.5, left="jane", right="bob")
BORN = FieldEvidence(field="birth_date", level="missing", weight=0.0, left="", right="1984-02-17")


def explanation(*fields: FieldEvidence, **other: Any) -> Explanation:
    prior = other.pop("prior", -9.5)
    score = other.pop("score", prior + sum(field.weight for field in fields))
    given: dict[str, Any] = {"method": "probabilistic", "model_version": "v3", "confidence": 0.83, **other}
    return Explanation(prior=prior, fields=fields, score=score, **given)


def test_totals_run_from_the_prior_to_the_score() -> None:
    drawn = waterfall(explanation(EMAIL, NAME, BORN))
    assert [(step.start, step.end) for step in drawn.steps] == [(-9.5, 4.75), (4.75, 2.25), (2.25, 2.25)]
    assert (drawn.prior, drawn.score) == (-9.5, 2.25)


@pytest.mark.parametrize("draw", [check_sum, waterfall, waterfall_json, waterfall_text, waterfall_svg])
def test_weights_that_do_not_add_up_are_refused(draw: Any) -> None:
    draw(explanation(EMAIL, NAME, score=2.25 + 0.9e-6))
    with pytest.raises(ValueError, match=r"score: expected prior \+ weights = 2\.25, found 2\.25000"):
        draw(explanation(EMAIL, NAME, score=2.25 + 1.1e-6))


def test_numbers_that_cannot_be_drawn_are_refused() -> None:
    with pytest.raises(ValueError, match="expected finite weights"):
        check_sum(explanation(FieldEvidence(field="f", level="l", weight=float("inf")), score=1.0))
    with pytest.raises(ValueError, match="expected finite frequency parts"):
        check_sum(explanation(FieldEvidence(field="f", level="l", weight=1.0, frequency=float("nan"))))
    with pytest.raises(ValueError, match="confidence: expected a probability from 0 to 1, found 83"):
        check_sum(explanation(confidence=83.0))


def test_json_has_every_step_whole() -> None:
    long = msgspec.structs.replace(EMAIL, left="x" * 500)
    told = waterfall_json(explanation(long, NAME))
    assert msgspec.json.decode(told, type=Waterfall) == waterfall(explanation(long, NAME))
    assert json.loads(told)["steps"][0]["left"] == "x" * 500


def test_text_is_a_table_with_bars() -> None:
    lines = waterfall_text(explanation(EMAIL, NAME, BORN)).splitlines()
    assert lines[0] == "83.0% confidence that the two are one person"
    assert lines[1] == "score +2.25 bits: prior -9.50 and 3 fields; probabilistic, model v3"
    assert lines[3].split() == ["FIELD", "LEVEL", "VALUES", "WEIGHT", "RARITY", "TOTAL"]
    prior, email, name, born, score = lines[4:9]
    assert email.split()[:6] == ["email", "exact", "jane@example.com", "+14.25", "+1.50", "+4.75"]
    assert "jane | bob" in name and "- | 1984-02-17" in born
    bars = [
        row[row.index(total) + len(total) :] for row, total in ((prior, "-9.50"), (email, "+4.75"), (name, "+2.25"))
    ]
    assert [set(bar.replace(" ", "")) for bar in bars] == [{"=", "|"}, {"+", "|"}, {"-", "|"}]
    assert bars[1].rstrip().endswith("+") and len(bars[1].rstrip()) > len(bars[2].split("|")[0])
    assert born.endswith("|") and score.split()[:2] == ["score", "+2.25"]


@pytest.mark.parametrize("width", [20, 80, 99, 100, 120])
def test_text_keeps_to_its_width(width: int) -> None:
    long = FieldEvidence(field="street_address" * 3, level="embedding close " * 3, weight=2.0, frequency=-100.25)
    fields = [long, msgspec.structs.replace(long, left="東京" * 60, right="Somewhere " * 20), EMAIL, NAME, BORN]
    drawn = waterfall_text(explanation(*fields), width)
    assert max(map(cells, drawn.splitlines())) <= max(width, 80)
    assert ("VALUES" in drawn) == (width >= 100)
    assert "jane | bob" in drawn


def test_the_picture_can_be_read_without_seeing_it() -> None:
    root = ET.fromstring(waterfall_svg(explanation(EMAIL, NAME)))
    title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert root.get("role") == "img" and title is not None and description is not None
    assert root.get("aria-labelledby") == title.get("id") and root.get("aria-describedby") == description.get("id")
    assert title.text == "83.0% confidence that the two are one person"
    assert description.text == (
        "Waterfall of weights in bits. Prior -9.50. email, exact: +14.25, +1.50 of it for rarity, total +4.75. "
        "given_name, different: -2.50, total +2.25. Score +2.25."
    )
    # Ids are those of the content: two pictures in one page do not share them.
    assert title.get("id") != ET.fromstring(waterfall_svg(explanation(NAME)))[0].get("id")


def test_values_cannot_become_markup() -> None:
    hostile = '"/><script>alert(1)</script><a href="x">\x00&'
    field = FieldEvidence(field=hostile, level=hostile, weight=1.0, left=hostile, right="'")
    root = ET.fromstring(waterfall_svg(explanation(field, model_version=hostile)))
    assert {element.tag.removeprefix(SVG) for element in root.iter()} == {
        *("svg", "title", "desc", "rect", "line", "text", "g")
    }
    assert not any(name.startswith("on") or "href" in name for element in root.iter() for name in element.attrib)


def test_bars_stand_on_one_scale() -> None:
    root = ET.fromstring(waterfall_svg(explanation(EMAIL, NAME)))
    rows = {}
    for group in root.findall(f"{SVG}g"):
        title = group.findtext(f"{SVG}title") or ""
        bars = [(float(bar.get("x", "")), float(bar.get("width", ""))) for bar in group.findall(f"{SVG}rect")]
        rows[title.split(",")[0].split(":")[0]] = bars
    (prior_left, prior_width), (email_left, email_width), (name_left, name_width) = (
        rows[name][0] for name in ("prior", "email", "given_name")
    )
    pixels_a_bit = prior_width / 9.5
    assert email_left == pytest.approx(prior_left, abs=0.2)
    assert email_width == pytest.approx(14.25 * pixels_a_bit, abs=0.5)
    assert name_left + name_width == pytest.approx(email_left + email_width, abs=0.2)
    rarity_left, rarity_width = rows["email"][1]
    assert rarity_width == pytest.approx(1.5 * pixels_a_bit, abs=0.5)
    assert rarity_left + rarity_width == pytest.approx(email_left + email_width, abs=0.2)


@pytest.mark.parametrize("fields", [(), (BORN,)])
def test_nothing_to_weigh_is_drawn_too(fields: tuple[FieldEvidence, ...]) -> None:
    drawn = explanation(*fields, prior=0.0, method="exact", model_version="")
    assert "score 0.00 bits" in waterfall_text(drawn)
    assert ET.fromstring(waterfall_svg(drawn)).tag == f"{SVG}svg"
