"""Splink 5 on the sets of `bench.identity_sets`, set up as its own documentation does it.

Sources, as of version 5.0: the demo notebooks "Deduplicating the febrl3 dataset", "Linking the febrl4 datasets" (the
detailed model), "Evaluation when you have fully labelled data" (fake_1000; it finds twice as many of the pairs as the
tutorial on the same set), "Linking a dataset of real historical persons" and "Linking the pseudopeople Census and ACS
datasets". Their comparisons, blocking rules, rules and recalls for the prior, numbers
of pairs for u, training rules and thresholds are used as they are, except that

    febrl4 is one table and link_type is dedupe_only, as everywhere here: no engine is told that there are two files
        without duplicates in each
    columns that only its charts need are not kept, which its documentation recommends for speed

touchpoints and traps have no notebook. They get what the documentation advises for data of their kind: the
pseudopeople notebook's comparisons, with blocking rules that stay within the number of comparisons that it recommends
for a laptop, the febrl4 notebook's comparison for the social security number, and comparisons of arrays for lists of
e-mail addresses and phones.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import splink.comparison_level_library as cll
import splink.comparison_library as cl
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

from bench.identity_sets import ENTITY_COLUMN, RECORD_COLUMN

_LEAST_KEPT = 0.01  # match probability from which a pair is written for the search for the best threshold


@dataclass(frozen=True)
class SplinkPlan:
    """All that a Splink run is told. Rules are what `block_on` gives, or SQL over l and r."""

    comparisons: Sequence[Any]
    blocking: Sequence[Any]
    certain: Sequence[Any]  # rules that find next to no wrong pairs, for the prior
    recall: float  # of those rules, guessed
    training: Sequence[Any]  # a session of expectation maximisation for each
    u_pairs: float  # random pairs for the u probabilities
    keep: float | None  # match probability from which pairs are kept at all
    threshold: float  # match probability from which a pair is a link
    without_frequencies: bool = True  # train without term frequencies, as the notebooks on more than a few records do
    select: str = "*"  # columns for the comparisons, in SQL


def _febrl3() -> SplinkPlan:
    return SplinkPlan(
        comparisons=[
            cl.NameComparison("given_name"),
            cl.NameComparison("surname"),
            cl.DateOfBirthComparison("date_of_birth", input_is_string=True, datetime_format="%Y%m%d"),
            cl.DamerauLevenshteinAtThresholds("soc_sec_id", [2]),
            cl.ExactMatch("street_number").configure(term_frequency_adjustments=True),
            cl.ExactMatch("postcode").configure(term_frequency_adjustments=True),
        ],
        blocking=[block_on(name) for name in ("soc_sec_id", "given_name", "surname", "date_of_birth", "postcode")],
        certain=[
            block_on("soc_sec_id"),
            block_on("given_name", "surname", "date_of_birth"),
            "l.given_name = r.surname and l.surname = r.given_name and l.date_of_birth = r.date_of_birth",
        ],
        recall=0.9,
        training=[block_on("date_of_birth"), block_on("postcode")],
        u_pairs=1e6,
        keep=0.2,
        threshold=0.2,  # the only one in the notebook
        without_frequencies=False,
    )


def _febrl4() -> SplinkPlan:
    return SplinkPlan(
        comparisons=[
            cl.NameComparison("given_name").configure(term_frequency_adjustments=True),
            cl.NameComparison("surname").configure(term_frequency_adjustments=True),
            cl.DateOfBirthComparison(
                "date_of_birth", input_is_string=True, datetime_format="%Y%m%d", invalid_dates_as_null=True
            ),
            cl.DamerauLevenshteinAtThresholds("soc_sec_id", [1, 2]),
            cl.ExactMatch("street_number").configure(term_frequency_adjustments=True),
            cl.DamerauLevenshteinAtThresholds("postcode", [1, 2]).configure(term_frequency_adjustments=True),
        ],
        blocking=[
            block_on("given_name", "surname"),
            "l.given_name = r.surname and l.surname = r.given_name",
            block_on("date_of_birth"),
            block_on("soc_sec_id"),
            block_on("state", "address_1"),
            block_on("street_number", "address_1"),
            block_on("postcode"),
        ],
        certain=[block_on("soc_sec_id"), block_on("given_name", "surname", "date_of_birth")],
        recall=0.8,
        training=[block_on("date_of_birth"), block_on("postcode")],
        u_pairs=1e6,
        keep=0.2,
        threshold=0.99,
    )


def _fake_1000() -> SplinkPlan:
    return SplinkPlan(
        comparisons=[
            cl.ForenameSurnameComparison("first_name", "surname"),
            cl.DateOfBirthComparison("dob", input_is_string=True),
            cl.ExactMatch("city").configure(term_frequency_adjustments=True),
            cl.EmailComparison("email"),
        ],
        blocking=[block_on("first_name"), block_on("surname"), block_on("dob"), block_on("email")],
        certain=[
            "l.first_name = r.first_name and levenshtein(r.dob, l.dob) <= 1",
            "l.surname = r.surname and levenshtein(r.dob, l.dob) <= 1",
            "l.first_name = r.first_name and levenshtein(r.surname, l.surname) <= 2",
            "l.email = r.email",
        ],
        recall=0.7,
        training=[block_on("dob"), block_on("email"), block_on("first_name", "surname")],
        u_pairs=1e6,
        keep=None,
        threshold=0.5,
    )


def _historical() -> SplinkPlan:
    return SplinkPlan(
        comparisons=[
            cl.ForenameSurnameComparison(
                "first_name", "surname", forename_surname_concat_col_name="first_name_surname_concat"
            ),
            cl.DateOfBirthComparison("dob", input_is_string=True),
            cl.PostcodeComparison("postcode_fake"),
            cl.ExactMatch("birth_place").configure(term_frequency_adjustments=True),
            cl.ExactMatch("occupation").configure(term_frequency_adjustments=True),
        ],
        blocking=[
            block_on("substr(first_name,1,3)", "substr(surname,1,4)"),
            block_on("surname", "dob"),
            block_on("first_name", "dob"),
            block_on("postcode_fake", "first_name"),
            block_on("postcode_fake", "surname"),
            block_on("dob", "birth_place"),
            block_on("substr(postcode_fake,1,3)", "dob"),
            block_on("substr(postcode_fake,1,3)", "first_name"),
            block_on("substr(postcode_fake,1,3)", "surname"),
            block_on("substr(first_name,1,2)", "substr(surname,1,2)", "substr(dob,1,4)"),
        ],
        certain=[
            block_on("first_name", "surname", "dob"),
            block_on("substr(first_name,1,2)", "surname", "substr(postcode_fake,1,2)"),
            block_on("dob", "postcode_fake"),
        ],
        recall=0.6,
        training=[block_on("first_name", "surname"), block_on("dob")],
        u_pairs=1e7,
        keep=None,
        threshold=0.95,
        select="*, first_name || ' ' || surname as first_name_surname_concat",
    )


def _touchpoints(with_ssn: bool) -> SplinkPlan:
    comparisons: list[Any] = [
        cl.NameComparison("first_name", jaro_winkler_thresholds=[0.9]).configure(term_frequency_adjustments=True),
        cl.ExactMatch("middle_initial").configure(term_frequency_adjustments=True),
        cl.NameComparison("last_name", jaro_winkler_thresholds=[0.9]).configure(term_frequency_adjustments=True),
        cl.DamerauLevenshteinAtThresholds("dob", distance_threshold_or_thresholds=[1]),
        cl.DamerauLevenshteinAtThresholds("address").configure(term_frequency_adjustments=True),
        cl.ExactMatch("sex"),
    ]
    blocking = [
        block_on("first_name", "last_name"),
        block_on("dob", "last_name"),
        block_on("dob", "first_name"),
        block_on("first_name", "street_number", "street_name"),
        block_on("last_name", "street_number", "street_name"),
    ]
    certain = [block_on("first_name", "last_name", "dob"), block_on("first_name", "last_name", "address")]
    training = [block_on("first_name", "last_name"), block_on("dob"), block_on("address", "first_name")]
    if with_ssn:
        comparisons.append(cl.DamerauLevenshteinAtThresholds("ssn", [1, 2]))
        blocking.insert(0, block_on("ssn"))
        certain.append(block_on("ssn", "first_name"))
        training = [block_on("ssn"), block_on("first_name", "last_name")]
    return SplinkPlan(
        comparisons=comparisons,
        blocking=blocking,
        certain=certain,
        recall=0.8,
        training=training,
        u_pairs=1e7,
        keep=0.2,
        threshold=0.95,
        select=(
            "*, substr(middle, 1, 1) as middle_initial, "
            "street_number || ' ' || street_name || coalesce(' ' || unit_number, '') as address"
        ),
    )


def _traps() -> SplinkPlan:
    # "Smith, Mary" is turned round and titles and case are dropped; dates are of six formats, so days are compared as
    # ISO dates where they can be read, as the documentation's chapter on preparing data asks for.
    name = r"trim(regexp_replace(lower(strip_accents(name)), '^(mr|mrs|ms|dr|prof)\.? ', ''))"
    turned = (
        f"case when contains({name}, ',') then trim(split_part({name}, ',', 2)) || ' ' || split_part({name}, ',', 1) "
        f"else {name} end"
    )
    listed = "list_filter(string_split(regexp_replace({0}, '[\\[\\]'' ]', '', 'g'), ','), lambda x: x <> '')"
    phones = (
        "list_transform(list_filter(string_split(phone, ','), lambda x: x <> ''), "
        "lambda x: right(regexp_replace(x, '[^0-9]', '', 'g'), 9))"
    )
    days = "coalesce(try_strptime(date_of_birth, ['%Y-%m-%d', '%d/%m/%Y', '%m/%d/%Y']))"
    return SplinkPlan(
        comparisons=[
            cl.NameComparison("first_name").configure(term_frequency_adjustments=True),
            cl.NameComparison("surname").configure(term_frequency_adjustments=True),
            cl.DateOfBirthComparison("dob", input_is_string=True),
            cl.ArrayIntersectAtSizes("emails", [1]),
            cl.ArrayIntersectAtSizes("phones", [1]),
            cl.CustomComparison(
                output_column_name="address",
                comparison_levels=[
                    cll.NullLevel("address"),
                    cll.ExactMatchLevel("address", term_frequency_adjustments=True),
                    cll.JaroWinklerLevel("address", 0.92),
                    cll.ElseLevel(),
                ],
            ),
            cl.ExactMatch("city").configure(term_frequency_adjustments=True),
        ],
        blocking=[
            block_on("first_name", "surname"),
            block_on("emails", arrays_to_explode=["emails"]),
            block_on("phones", arrays_to_explode=["phones"]),
            block_on("surname", "dob"),
            block_on("first_name", "dob"),
            block_on("surname", "postal_code"),
            block_on("first_name", "postal_code"),
        ],
        certain=[
            block_on("first_name", "surname", "dob"),
            block_on("first_name", "surname", "postal_code"),
            "len(list_intersect(l.emails, r.emails)) > 0",
        ],
        recall=0.6,
        training=[block_on("first_name", "surname"), block_on("dob"), block_on("postal_code")],
        u_pairs=1e7,
        keep=0.1,
        threshold=0.95,
        select=(
            "record_id, split_part(full_name, ' ', 1) as first_name, split_part(full_name, ' ', -1) as surname, "
            f"strftime({days}, '%Y-%m-%d') as dob, {listed.format('lower(email)')} as emails, "
            f"{phones} as phones, lower(address_line) as address, postal_code, lower(city) as city "
            f"from (select *, {turned} as full_name"
        ),
    )


_PLANS: dict[str, Callable[[], SplinkPlan]] = {
    "febrl3": _febrl3,
    "febrl4": _febrl4,
    "fake_1000": _fake_1000,
    "historical_50k": _historical,
    "touchpoints": lambda: _touchpoints(True),
    "touchpoints_no_ssn": lambda: _touchpoints(False),
    "traps": _traps,
}
SPLINK_SETS = frozenset(_PLANS)  # those that Splink has a plan for


def cluster(name: str, paths: Sequence[Path], output: Path, cores: int) -> Any:
    """Finds who is who in the files of a set and writes record_id and entity_id to `output` (Parquet).

    Returns the pairs above the plan's least match probability: a DuckDB relation of two record ids and the match
    weight (log2 of the odds), for the search for the best threshold.
    """
    plan = _PLANS[name]()
    connection = duckdb.connect(config={"threads": cores})
    reader = "read_parquet" if paths[0].suffix == ".parquet" else "read_csv"
    options = "" if reader == "read_parquet" else ", all_varchar = true, header = true"
    files = ", ".join(f"'{path}'" for path in paths)
    source = f"{reader}([{files}], union_by_name = true{options})"
    tail = ")" if "from (" in plan.select else ""
    connection.execute(f"create table people as select {plan.select} from {source}{tail}")
    database = DuckDBAPI(connection=connection)
    settings = SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name=RECORD_COLUMN,
        comparisons=list(plan.comparisons),
        blocking_rules_to_generate_predictions=list(plan.blocking),
        retain_matching_columns=False,
        retain_intermediate_calculation_columns=False,
    )
    linker = Linker(database.register("people"), settings)
    linker.training.estimate_probability_two_random_records_match(list(plan.certain), recall=plan.recall)
    linker.training.estimate_u_using_random_sampling(max_pairs=plan.u_pairs)
    for rule in plan.training:
        linker.training.estimate_parameters_using_expectation_maximisation(
            rule, estimate_without_term_frequencies=plan.without_frequencies
        )
    pairs = linker.inference.predict(threshold_match_probability=plan.keep)
    clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(
        pairs, threshold_match_probability=plan.threshold
    )
    found = clusters.as_duckdbpyrelation()
    found.project(f"{RECORD_COLUMN}, cluster_id as {ENTITY_COLUMN}").to_parquet(str(output))
    scored = pairs.as_duckdbpyrelation().filter(f"match_probability >= {_LEAST_KEPT}")
    return scored.project(f"{RECORD_COLUMN}_l as record_l, {RECORD_COLUMN}_r as record_r, match_weight as weight")
