"""What a column's values look like, whatever the column is called: shares of values that have some shape. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from models.identity.role_values import BOOLEANS, COUNTRIES, FORMS_OF_ADDRESS, GENDERS, GIVEN, STATUSES, SUFFIXES

_EMAIL = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+\.[^\W\d_]{2,}\.?|[^@<>]*<[^@\s<>]+@[^@\s<>]+\.[^\W\d_]{2,}>")
_PHONE = re.compile(r"(?:tel:)?\+?[\d\s().\-/]{7,24}(?:\s*(?:x|ext\.?|#)\s*\d{1,6})?", re.IGNORECASE)
_PHONE_MARKED = re.compile(r"\+|[\d)][\s.\-/)]+[\d(]")
_DATE = re.compile(
    r"(?P<y1>\d{4})[-/.](?P<a>\d{1,2})(?:[-/.](?P<b>\d{1,2}))?(?:[T ]\d.*)?"
    r"|(?P<c>\d{1,2})[-/.](?P<d>\d{1,2})[-/.](?P<y2>\d{4}|\d{2})(?:[T ]\d.*)?"
    r"|(?P<y3>1[6-9]\d\d|20\d\d)(?P<m3>0[1-9]|1[0-2])(?P<d3>0[1-9]|[12]\d|3[01])"
    r"|(?P<m4>\d{1,2})[-/.](?P<y4>\d{4})"
    r"|(?:\d{1,2}(?:st|nd|rd|th)?[\s\-./]+)?(?:[^\W\d_]{3,10})\.?[\s\-./]+(?:\d{1,2}(?:st|nd|rd|th)?,?[\s\-./]+)?(?P<y5>\d{4}|\d{2})"
)
_DAY_MONTH = re.compile(r"\d{1,2}[-/.]\d{1,2}")
_TIME_OF_DAY = re.compile(r"[T ]\d{1,2}:\d\d")
_MIDNIGHT = re.compile(r"[T ]0?0:00(?::00(?:\.0+)?)?(?:\s*(?:Z|UTC|[+-]00:?00))?$")
_POSTCODE = re.compile(r"(?=.*\d)[A-Za-z]{0,3}[- ]?[A-Za-z\d]{2,5}(?:[- ]?[A-Za-z\d]{2,4})?(?:\.0)?|\d{1,2}")
_POSTCODE_SURE = re.compile(  # United Kingdom, Canada, Netherlands, ZIP+4
    r"[A-Z]{1,2}\d[A-Z\d]?\s?\d[A-Z]{2}|[A-Z]\d[A-Z]\s?\d[A-Z]\d|\d{4}\s?[A-Z]{2}|\d{5}-\d{4}", re.IGNORECASE
)
_SSN = re.compile(r"(?!000|666|9)\d{3}-\d{2}-\d{4}")
_NATIONAL_SCHEME = re.compile(
    r"(?i)(ssn|sin|nino|nin|itin|tin|passport|dl|driver\w*|nhs|cpf|dni|nie|curp|bsn|pesel|aadhaar)[:=# ].*\d.*"
)
_HEX = re.compile(r"[0-9a-fA-F]{32,128}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_CODE = re.compile(r"(?=\S*\d)[A-Za-z0-9][A-Za-z0-9_\-:./|]*")
_NUMBER = re.compile(r"[-+]?[$€£]?\s?\d+(?:[.,]\d+)*\s?[$€£%]?")
_NAME = re.compile(r"[^\W\d_][^\d_@:/\\|=<>{}\[\]!?]*")
_COMPANY = re.compile(
    r"(?i)\b(?:inc|incorporated|llc|llp|ltd|limited|plc|corp|corporation|company|gmbh|ag|kg|sarl|sas|sa|srl|spa|bv|nv|oy|ab|"
    r"pty|pte|holdings?|group|bank|university|hospital|church|school|associates|enterprises?|industries|solutions|"
    r"services|systems|technologies|partners|logistics|consulting|international|foundation|exports?|trading|"
    r"retail|media|labs|capital|insurance|worldwide)\b\.?"
)
_STREET_WORD = re.compile(
    r"(?i)\b(?:st|street|rd|road|ave|avenue|av|blvd|boulevard|ln|lane|dr|drive|ct|court|cir|circuit|circle|pl|place|"
    r"ter|terrace|way|hwy|highway|pkwy|parkway|crescent|cres|close|square|sq|rise|trail|loop|rue|calle|via|rua|"
    r"avenida|laan|weg|platz|gasse|allee|ulica|box)\b\.?|(?:stra(?:ss|ß)e|str\.|straat|gatan|gata|gade|vei|weg|gasse|platz|allee)(?:\W|$)"
)
_UNIT = re.compile(
    r"(?i)(?:#|\b(?:apt|apartment|unit|suite|ste|flat|fl|floor|room|rm|lot|bldg|building|trlr|spc|dept|top|whg|"
    r"appt|piso|box)\b)\.?\s*#?\s*[\w\-]+|\d{1,5}[a-z]?|[a-z]\d{0,4}"
)
_UNIT_WORD = re.compile(
    r"(?i)(?:#\s*\w|(?:apt|apartment|unit|suite|ste|flat|floor|room|rm|lot|bldg|trlr|spc|whg|appt|piso)\b\.?\s*#?\s*\w)"
)
_HOUSE_NUMBER = re.compile(r"(?i)(?:no\.?\s*)?\d{1,6}\s?[a-z]?(?:\s?[-/]\s?\d{0,5}\s?[a-z]?)?(?:\.0)?")
_URL = re.compile(r"(?i)(?:https?://|www\.)\S+")


@dataclass(frozen=True)
class Shape:
    """Shares, in [0, 1], of a column's sampled values; `distinct` is the share of distinct ones."""

    count: int
    distinct: float
    email: float
    phone: float  # could be a telephone number
    phone_marked: float  # and is written as one: a plus sign, or groups of digits
    date: float
    day_month: float  # day and month without a year
    timed: float  # with a time of day that is not midnight
    years: tuple[int, int, int]  # tenth percentile, median and ninetieth percentile of the dates; 0s without any
    postcode: float
    postcode_sure: float
    national_id: float  # a scheme's name before a number, or the form of a US social security number
    hashed: float  # hexadecimal digest
    code: float  # one word with a digit in it: ids, codes, numbers
    number: float
    name: float  # letters and the punctuation of names, up to six words
    lettered: float  # letters are two fifths of it or more
    given: float  # one of the words is a frequent given name
    company: float
    street: float
    house_number: float
    starts_with_digit: float
    digits: float  # holds a digit
    unit: float
    unit_word: float
    full_address: float  # several parts, one of them with a number
    gender: float
    form_of_address: float
    suffix: float
    status: float
    boolean: float
    country: float
    url: float
    words: float  # mean number of words
    length: float  # mean length
    one_word: float
    longest: int
    number_range: tuple[int, int]  # smallest and largest whole number; (0, -1) if not all values are such


def shape_of(values: Sequence[str], distinct: float | None = None) -> Shape:
    """The shape of some values, none of them empty. `distinct` is measured on them unless it is known better."""
    texts = [value.strip() for value in values]
    count = len(texts)
    lowered = [text.lower().rstrip(".") for text in texts]

    def share(found: int) -> float:
        return found / count if count else 0.0

    def full(pattern: re.Pattern[str]) -> float:
        return share(sum(pattern.fullmatch(text) is not None for text in texts))

    def within(pattern: re.Pattern[str]) -> float:
        return share(sum(pattern.search(text) is not None for text in texts))

    def among(known: frozenset[str]) -> float:
        return share(sum(text in known for text in lowered))

    dated = [found for text in texts if (found := year_of(text)) is not None]
    phones = [text for text in texts if could_be_phone(text)]
    split = [text.split() for text in texts]
    whole = [int(text) for text in texts if text.isascii() and text.isdigit() and len(text) < 10]
    return Shape(
        count=count,
        distinct=share(len(set(texts))) if distinct is None else distinct,
        email=share(sum(map(could_be_email, texts))),
        phone=share(len(phones)),
        phone_marked=share(sum(_PHONE_MARKED.search(text) is not None and not year_of(text) for text in phones)),
        date=share(len(dated)),
        day_month=full(_DAY_MONTH),
        timed=share(sum(bool(_TIME_OF_DAY.search(text)) and not _MIDNIGHT.search(text) for text in texts)),
        years=_percentiles([year for year in dated if year]),
        postcode=full(_POSTCODE),
        postcode_sure=full(_POSTCODE_SURE),
        national_id=share(sum(bool(_SSN.fullmatch(t) or _NATIONAL_SCHEME.fullmatch(t)) for t in texts)),
        hashed=full(_HEX),
        code=share(sum(bool(_CODE.fullmatch(t) or _UUID.fullmatch(t)) for t in texts)),
        number=full(_NUMBER),
        name=share(sum(_NAME.fullmatch(t) is not None and len(p) <= 6 for t, p in zip(texts, split, strict=True))),
        lettered=share(sum(sum(map(str.isalpha, text)) > 0.4 * len(text) for text in texts)),
        given=share(sum(any(word.strip(",.").lower() in GIVEN for word in parts) for parts in split)),
        company=within(_COMPANY),
        street=within(_STREET_WORD),
        house_number=full(_HOUSE_NUMBER),
        starts_with_digit=share(sum(text[:1].isdigit() for text in texts)),
        digits=share(sum(any(c.isdigit() for c in text) for text in texts)),
        unit=full(_UNIT),
        unit_word=share(sum(_UNIT_WORD.match(text) is not None for text in texts)),
        full_address=share(sum(_is_full_address(text) for text in texts)),
        gender=among(GENDERS),
        form_of_address=among(FORMS_OF_ADDRESS),
        suffix=among(SUFFIXES),
        status=among(STATUSES),
        boolean=among(BOOLEANS),
        country=among(COUNTRIES),
        url=full(_URL),
        words=share(sum(map(len, split))),
        length=share(sum(map(len, texts))),
        one_word=share(sum(len(parts) == 1 for parts in split)),
        longest=max(map(len, texts), default=0),
        number_range=(min(whole), max(whole)) if count and len(whole) == count else (0, -1),
    )


def could_be_email(text: str) -> bool:
    """Whether the text is one e-mail address, perhaps after a name: Jane <jane@example.com>."""
    return _EMAIL.fullmatch(text) is not None


def could_be_phone(text: str) -> bool:
    """Whether the text is one telephone number: 7 to 18 digits with the usual signs between them."""
    return _PHONE.fullmatch(text) is not None and 6 < sum(c.isdigit() for c in text) < 19


def year_of(text: str) -> int | None:
    """The year of a date, 0 if it is written with two digits, None if the text is not a date."""
    found = _DATE.fullmatch(text)
    if not found:
        return None
    year = next((found[name] for name in ("y1", "y2", "y3", "y4", "y5") if found[name]), "")
    if any(int(found[name]) > 31 for name in ("a", "b", "c", "d") if found[name]):
        return None
    return int(year) if len(year) == 4 else 0


def _percentiles(years: list[int]) -> tuple[int, int, int]:
    if not years:
        return 0, 0, 0
    ordered = sorted(years)
    return ordered[len(ordered) // 10], int(median(ordered)), ordered[len(ordered) * 9 // 10]


def _is_full_address(text: str) -> bool:
    parts = [part for part in re.split(r"[,\n;]", text) if part.strip() and not _UNIT_WORD.match(part.strip())]
    return len(parts) >= 2 and any(c.isdigit() for c in text) and sum(c.isalpha() for c in text) >= 8
