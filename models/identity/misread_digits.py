"""Digits that were misread: scanners and hasty typists write O for 0, l or | for 1, and so on."""

_ALIKE = str.maketrans("OoIl|ZzSGB", "0011122568")
_DIGITS_MIN = 4


def restore_digits(text: str) -> str:
    """`text` with lookalikes turned to digits, if at least four real digits are in it and no other letters; else ""."""
    if sum(map(str.isdigit, text)) < _DIGITS_MIN:
        return ""
    restored = text.translate(_ALIKE)
    return "" if restored == text or any(map(str.isalpha, restored)) else restored
