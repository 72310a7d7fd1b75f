"""What each column of a file means for matching: guessed from its name and from its values. Pure.

The name proposes (`models.identity.role_headers`), the values agree, stay silent or object (`models.identity.
role_shapes`). A column whose values object, or whose name says nothing, gets a role only if its values can be
nothing else: e-mail addresses, telephone numbers, and so on. All other columns are ignored, with the reason.

Never matched on: a record's own id; labels of groups of records, which would give the answer away; amounts, free
text, statuses, dates that are not births. An id other than a person-unique government number is used only if it
says whose it is (account, loyalty card, ...) and some value is there twice.

Names of organisations are the role employer; where no column tells of people, the records are the organisations
themselves, and their name is the role full_name.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from models.identity.record import Role
from models.identity.role_headers import Hint, hint_of
from models.identity.role_shapes import Shape, shape_of

SAMPLE_MAX = 2000  # values of a column that are looked at

BOTH, NAME_ONLY, CONTENTS_ONLY = "name and contents", "name only", "contents only"
_CERTAINTY = {BOTH: 0.95, NAME_ONLY: 0.75, CONTENTS_ONLY: 0.6}
_UNKNOWN = "neither its name nor its values say what it is"
_NOBODY_TWICE = "every value is there once, so no two records share one"
_MOST, _MANY, _SOME = 0.8, 0.5, 0.2


@dataclass(frozen=True)
class ColumnSample:
    """A column as far as it is looked at. `values` are raw and not empty, up to SAMPLE_MAX, list elements singly.

    `filled` is the share of records that have a value. `distinct` is the share of distinct values if it was
    measured on more than the sample.
    """

    name: str
    values: Sequence[str]
    filled: float = 1.0
    distinct: float | None = None


@dataclass(frozen=True)
class RoleGuess:
    """What a column is taken for. `role` None: ignored, and `reason` says why."""

    column: str
    role: Role | None
    certainty: float  # [0, 1]; of leaving the column alone, if role is None
    reason: str


def guess_roles(columns: Sequence[ColumnSample]) -> list[RoleGuess]:
    """A guess for each column, in their order. Several columns may get the same role."""
    shapes = [shape_of(column.values, column.distinct) for column in columns]
    hints = [hint_of(column.name) for column in columns]
    guesses = [_guess(column, hint, shape) for column, hint, shape in zip(columns, hints, shapes, strict=True)]
    return _in_context(guesses, hints, shapes)


def ignored(column: str, why: str, certainty: float) -> RoleGuess:
    """A column that is left alone."""
    return RoleGuess(column, None, certainty, f"ignored: {why}")


def _taken(column: str, role: Role, basis: str) -> RoleGuess:
    return RoleGuess(column, role, _CERTAINTY[basis], basis)


def _guess(column: ColumnSample, hint: Hint, shape: Shape) -> RoleGuess:
    if not column.values:
        return ignored(column.name, "no values", 1.0)
    if hint.ignore:
        return ignored(column.name, hint.ignore, 0.9)
    if hint.role is None:
        role = _by_contents(shape)
        return _taken(column.name, role, CONTENTS_ONLY) if role else ignored(column.name, _UNKNOWN, 0.5)
    role = _refined(hint, shape)
    verdict = _VERDICTS[role](shape)
    if verdict >= 0:
        if role == "other_id" and shape.distinct == 1.0 and shape.count > 1:
            return ignored(column.name, _NOBODY_TWICE, 0.8)
        return _taken(column.name, role, BOTH if verdict else NAME_ONLY)
    other = _by_contents(shape)
    if other is not None:
        return _taken(column.name, other, CONTENTS_ONLY)
    if shape.company > _SOME and role == "full_name":
        return _taken(column.name, "employer", CONTENTS_ONLY)
    return ignored(column.name, f"called like {_A[role]}, but its values are not", 0.7)


def _refined(hint: Hint, shape: Shape) -> Role:
    """The role of a name that leaves it open which of two it is."""
    role = hint.role
    assert role is not None
    if role == "other_id" and shape.national_id > _MANY:
        return "national_id"
    if role == "other_id" and shape.email > _MOST:
        return "email"  # as logins are
    if role == "given_name" and hint.bare and shape.one_word < 0.3:
        return "full_name"
    if role == "full_address" and hint.bare and shape.full_address < _MANY:
        return "street_address"
    if role == "unit" and hint.bare and shape.unit_word < 0.3 and shape.unit < _MANY:
        return "street_address"
    if role == "birth_date" and shape.date < _SOME and 1800 < shape.number_range[0] <= shape.number_range[1] < 2100:
        return "birth_year"
    return role


def _by_contents(shape: Shape) -> Role | None:
    """The role of values that can hardly be anything else, whatever the column is called."""
    if shape.email > _MOST:
        return "email"
    if shape.national_id > _MOST:
        return "national_id"
    if shape.phone_marked > _MOST and shape.code < _MANY and shape.date < _SOME:
        return "phone"
    early, middle, late = shape.years
    if shape.date > _MOST and shape.timed < _SOME and late - early >= 15 and middle <= 2000 and early >= 1850:
        return "birth_date"
    if shape.postcode_sure > _MOST and shape.distinct < 1.0:
        return "postcode"
    if shape.full_address > _MOST and shape.street > 0.6:
        return "full_address"
    if shape.company > _MANY:
        return "employer"
    if shape.name > 0.9 and shape.given > 0.3 and shape.street < _SOME:
        if shape.one_word > 0.9:
            return "given_name"
        return "full_name" if shape.one_word < _SOME and shape.length < 40 else None
    return None


def _sign(agree: bool, object_: bool) -> int:
    """1 the values agree, -1 they object, 0 they say nothing."""
    return -1 if object_ else int(agree)


def _of_name(shape: Shape) -> int:
    strange = shape.email > 0.3 or shape.lettered < _MANY or shape.longest > 400 or shape.length > 60
    strange = strange or shape.status > _MANY or shape.boolean > _MANY
    return _sign(shape.name > _MOST and shape.company < _SOME, strange or shape.company > _MANY)


def _of_full_name(shape: Shape) -> int:
    verdict = _of_name(shape)
    return verdict if verdict < 0 else _sign(verdict > 0 and shape.one_word < _MANY, shape.street > 0.6)


def _of_suffix(shape: Shape) -> int:
    return _sign(shape.suffix > _MANY, shape.length > 8 or shape.email > _SOME)


def _of_birth_date(shape: Shape) -> int:
    return _sign(shape.date > _MANY, shape.date + shape.day_month < 0.3 or shape.timed > _MANY)


def _within(low: int, high: int) -> Callable[[Shape], int]:
    def verdict(shape: Shape) -> int:
        smallest, largest = shape.number_range
        fits = smallest <= largest and low <= smallest and largest <= high
        return _sign(fits, smallest <= largest and not fits)

    return verdict


def _of_gender(shape: Shape) -> int:
    numbers = shape.number_range[0] <= shape.number_range[1] <= 9
    return _sign(shape.gender > _MANY, shape.gender < _SOME and not numbers)


def _of_phone(shape: Shape) -> int:
    return _sign(shape.phone > _MANY, shape.phone < _SOME or shape.date > _MOST)


def _of_email(shape: Shape) -> int:
    return _sign(shape.email > _MANY, shape.email < _SOME)


def _of_full_address(shape: Shape) -> int:
    return _sign(shape.full_address > _MANY, shape.email > 0.3 or shape.url > 0.3 or shape.length < 6)


def _of_street(shape: Shape) -> int:
    agree = shape.street > 0.3 or (shape.starts_with_digit > _MANY and shape.words > 1.5)
    strange = shape.email > 0.3 or shape.url > 0.3 or shape.date > _MANY or shape.number > 0.9 or shape.length < 4
    return _sign(agree, strange or shape.status > _MANY or shape.longest > 400)


def _of_street_number(shape: Shape) -> int:
    return _sign(shape.house_number > _MANY, shape.house_number < _SOME)


def _of_unit(shape: Shape) -> int:
    return _sign(shape.unit > _MANY or shape.unit_word > 0.3, shape.email > 0.3 or shape.length > 40)


def _of_place(shape: Shape) -> int:
    strange = shape.email > 0.3 or shape.number > _MANY or shape.status > _MANY or shape.length > 50
    return _sign(shape.name > 0.7, strange)


def _of_region(shape: Shape) -> int:
    strange = shape.email > 0.3 or shape.status > _MANY or shape.boolean > _MANY or shape.length > 40
    return _sign(shape.name > 0.7, strange)


def _of_postcode(shape: Shape) -> int:
    return _sign(shape.postcode > _MANY, shape.postcode < _SOME or (shape.date > 0.9 and shape.length > 6))


def _of_country(shape: Shape) -> int:
    return _sign(shape.country > _MANY, shape.email > 0.3 or shape.number > _MANY or shape.status > _MANY)


def _of_national_id(shape: Shape) -> int:
    strange = shape.email > 0.3 or shape.digits < 0.3 or shape.length < 5 or shape.length > 40
    return _sign(shape.national_id > _MANY or shape.code > _MOST, strange)


def _of_other_id(shape: Shape) -> int:
    few = shape.count >= 1000 and shape.distinct < 0.005  # a code of a kind or a place
    strange = few or shape.length > 200 or shape.boolean > _MANY or shape.words > 3
    return _sign(shape.code > _MANY or shape.hashed > _MANY, strange)


def _of_employer(shape: Shape) -> int:
    return _sign(shape.company > _SOME, shape.email > 0.3 or shape.number > _MANY or shape.length > 80)


def _of_occupation(shape: Shape) -> int:
    strange = shape.email > 0.3 or shape.number > _MANY or shape.form_of_address > _MANY or shape.length > 80
    return _sign(shape.name > 0.7 and shape.given < _MANY, strange)


_VERDICTS: dict[Role, Callable[[Shape], int]] = {
    "full_name": _of_full_name,
    "given_name": _of_name,
    "middle_name": _of_name,
    "family_name": _of_name,
    "name_suffix": _of_suffix,
    "birth_date": _of_birth_date,
    "birth_year": _within(1800, 2100),
    "birth_month": _within(1, 12),
    "birth_day": _within(1, 31),
    "gender": _of_gender,
    "email": _of_email,
    "phone": _of_phone,
    "full_address": _of_full_address,
    "street_address": _of_street,
    "street_number": _of_street_number,
    "street_name": _of_street,
    "unit": _of_unit,
    "city": _of_place,
    "region": _of_region,
    "postcode": _of_postcode,
    "country": _of_country,
    "birth_place": _of_place,
    "national_id": _of_national_id,
    "other_id": _of_other_id,
    "employer": _of_employer,
    "occupation": _of_occupation,
}
_A: dict[Role, str] = {
    role: ("an " if role[0] in "aeiou" else "a ") + role.replace("_", " ").replace("email", "e-mail address")
    for role in _VERDICTS
}


def _in_context(guesses: list[RoleGuess], hints: list[Hint], shapes: list[Shape]) -> list[RoleGuess]:
    """The guesses, where what one column means depends on which others there are.

    A bare "name" beside only a given name is the family name (German "Name, Vorname"), beside only a family
    name the given name (Spanish "Nombre, Apellidos"). A street without house numbers, beside a column of house
    numbers, is a street name.
    """
    roles = {guess.role for guess in guesses}
    people = roles & {"full_name", "given_name", "family_name", "birth_date", "gender", "occupation", "email"}
    out = []
    for guess, hint, shape in zip(guesses, hints, shapes, strict=True):
        if guess.role == "full_name" and hint.bare and shape.words < 2.0:
            if "given_name" in roles and "family_name" not in roles and shape.one_word > 0.6:
                guess = replace(guess, role="family_name")
            elif "family_name" in roles and "given_name" not in roles:
                guess = replace(guess, role="given_name")
        elif guess.role == "street_address" and hint.bare and "street_number" in roles and hint.role != "unit":
            if shape.starts_with_digit < _SOME:
                guess = replace(guess, role="street_name")
        elif guess.role == "employer" and not people:
            guess = replace(
                guess, role="full_name", reason=f"{guess.reason}; of organisations, since nothing tells of people"
            )
        out.append(guess)
    return out
