"""Money: JSON amounts to integer micro-units (1e-6 of the currency) and back, exactly, never through float sums.

Sources send numbers, numbers as text, and junk. What is not an amount is None, and never an error.
"""

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any

from models.profile.state import MICRO

AMOUNT_MAX = 10**12  # units; larger ones are junk, so that sums stay far from the 64 bits of the stored form
MICRO_MAX = 2**63 - 1
_TEXT_MAX = 28  # characters of an amount given as text: as many digits as Decimal keeps


def to_micro(value: Any) -> int | None:
    """Micro-units of an amount: an int, a float (as its shortest decimal), or a plain decimal text; else None.

    More than six decimals are rounded half to even. "1,234" is not taken: it is a thousand here, one there.
    """
    if type(value) is int:
        return value * MICRO if -AMOUNT_MAX <= value <= AMOUNT_MAX else None
    if isinstance(value, bool) or not isinstance(value, float | str):
        return None
    text = value.strip() if isinstance(value, str) else repr(value)
    if len(text) > _TEXT_MAX:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return None
    # Compared, not computed with: arithmetic on extreme exponents raises.
    if not amount.is_finite() or not -AMOUNT_MAX <= amount <= AMOUNT_MAX:
        return None
    return int((amount * MICRO).to_integral_value(ROUND_HALF_EVEN))


def add_saturated(left: int, right: int) -> int:
    """Sum of two amounts of at least 0, at most MICRO_MAX: still associative and commutative."""
    return min(left + right, MICRO_MAX)


def multiply(price: int, quantity: int) -> int:
    """Micro-units of a quantity in thousandths at a price in micro-units, rounded half to even, within the bounds."""
    product, rest = divmod(price * quantity, 1000)
    product += rest > 500 or (rest == 500 and product % 2 == 1)
    return max(-AMOUNT_MAX * MICRO, min(product, AMOUNT_MAX * MICRO))


def to_decimal_text(micro: int) -> str:
    """Decimal text with at least two decimals: 19990000 is "19.99"."""
    sign = "-" if micro < 0 else ""
    units, fraction = divmod(abs(micro), MICRO)
    if fraction % 10_000 == 0:
        return f"{sign}{units}.{fraction // 10_000:02d}"
    return f"{sign}{units}.{fraction:06d}".rstrip("0")
