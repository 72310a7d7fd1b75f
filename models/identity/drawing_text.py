"""Words and numbers for drawings of evidence: safe to show anywhere, cut to a width, aligned in a terminal."""

import unicodedata

ELLIPSIS = "…"
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_REPLACEMENT = "\ufffd"
_DECIMALS_MAX = 4  # of a percentage


def plain(text: str) -> str:
    """`text` without what can move a cursor, turn the direction of writing or break an XML file.

    Control, format, surrogate, private and unassigned characters become U+FFFD; line breaks and tabs become spaces.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        " " if char in "\t\n\r" else _REPLACEMENT if unicodedata.category(char) in _UNSAFE else char for char in text
    )


def cells(text: str) -> int:
    """Columns that `text` takes in a terminal (Unicode Standard Annex 11: wide characters take two)."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def _cells(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def cut(text: str, width: int) -> str:
    """`text` in at most `width` >= 1 cells; what is cut ends in an ellipsis."""
    if cells(text) <= width:
        return text
    taken, used = [], 1
    for char in text:
        used += _cells(char)
        if used > width:
            break
        taken.append(char)
    return "".join(taken).rstrip() + ELLIPSIS


def fit(text: str, width: int, right: bool = False) -> str:
    """`text` in exactly `width` cells: cut, or filled with spaces at its end (at its start if `right`)."""
    text = cut(text, width)
    spaces = " " * (width - cells(text))
    return spaces + text if right else text + spaces


def bits(value: float) -> str:
    """A weight or score with its sign; zero has none."""
    text = f"{value:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text


def percent(share: float) -> str:
    """A probability as a percentage that reads 100% or 0% only if it is 1 or 0."""
    if share in (0.0, 1.0):
        return f"{share:.0%}"
    for decimals in range(1, _DECIMALS_MAX + 1):
        text = f"{share:.{decimals}%}"
        if float(text[:-1]) not in (0.0, 100.0):
            return text
    edge = 10.0**-_DECIMALS_MAX
    return f"> {100 - edge:.{_DECIMALS_MAX}f}%" if share > 0.5 else f"< {edge:.{_DECIMALS_MAX}f}%"


def counted(count: int, one: str, many: str = "") -> str:
    """ "1 record", "2 records"; `many` is for plurals that are not made with an s."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
