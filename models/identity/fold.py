"""The plain form of a text: lower-case ASCII words, one space between them.

Two spellings that differ only in case, accents, punctuation or script come out alike: "O'Brien" and "OBRIEN",
"Müller-Lüdenscheidt" and "muller ludenscheidt". Other scripts are transliterated letter by letter (the `anyascii`
package); that gives one spelling for each, not always the one a person would use in Latin script.
"""

from anyascii import anyascii

# Apostrophes, and what stands for them, join what they part: O'Brien is one word.
_APOSTROPHES = b"'`"
_TABLE = bytes(ord(chr(c).lower()) if chr(c).isalnum() else 0x20 for c in range(128)) + bytes([0x20]) * 128


def fold(text: str) -> str:
    """`text` as lower-case ASCII letters and digits in words; "" if it holds none. Folding twice changes nothing."""
    if not text.isascii():
        text = anyascii(text)
    return " ".join(text.encode("ascii").translate(_TABLE, _APOSTROPHES).decode("ascii").split())
