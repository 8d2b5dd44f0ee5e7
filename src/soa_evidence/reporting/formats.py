"""How a number is written: rounded as far as its uncertainty allows, with a true minus sign.

The step of rounding is the power of ten at or below a tenth of the interval's width, and never coarser than
one: an interval 11 wide is written in whole numbers, one 5 wide with one decimal, one 0.3 wide with two.
"""

from __future__ import annotations

import math
import re

__all__ = [
    "CURRENCIES",
    "MINUS",
    "currency",
    "decimals_for",
    "fixed",
    "interval",
    "ordinal",
    "percent",
    "significant_decimals",
    "span",
    "true_minus",
    "with_limits",
]

MINUS = "−"
#: Signs of currency, which stand between a minus sign and the figure: −£3,626.
CURRENCIES = ("£", "$", "€")
# a hyphen that stands for a minus: before a figure, and not within a word, a range or a date
_HYPHEN = re.compile(r"(?<![\w\-−.,])-(?=\.?\d)")
_MOST_DECIMALS = 6


def decimals_for(lower: float, upper: float) -> int:
    """Return the number of decimals that suits an interval."""
    width = abs(upper - lower)
    if not math.isfinite(width) or width == 0:
        return significant_decimals(upper)
    return min(max(0, -math.floor(math.log10(width / 10) + 1e-12)), _MOST_DECIMALS)


def significant_decimals(value: float, digits: int = 3) -> int:
    """Return the decimals that show `value` to `digits` significant digits (none for a whole number)."""
    if value == 0 or not math.isfinite(value) or float(value).is_integer():
        return 0
    return min(max(0, digits - 1 - math.floor(math.log10(abs(value)))), _MOST_DECIMALS)


def fixed(value: float, decimals: int, *, signed: bool = False) -> str:
    """Return `value` with thousands separated, a true minus sign and no negative zero."""
    if not math.isfinite(value):
        return "not known" if math.isnan(value) else ("infinite" if value > 0 else f"{MINUS}infinite")
    text = f"{abs(value):,.{decimals}f}"
    if not text.strip("0.,"):
        return text
    return (MINUS if value < 0 else "+" if signed else "") + text


def currency(mark: str, shown: str) -> str:
    """Return a written figure with its currency after the sign: "−£3,626", "£241"."""
    signed = shown[:1] in (MINUS, "+")
    return f"{shown[0]}{mark}{shown[1:]}" if signed else f"{mark}{shown}"


def true_minus(text: str) -> str:
    """Return `text` with a true minus sign where a hyphen stands for one: "-2.3 to 1" as "−2.3 to 1"."""
    return _HYPHEN.sub(MINUS, text)


def percent(proportion: float, decimals: int = 0) -> str:
    """Return a probability as a percentage; what would round to 0% or 100% without being it says so."""
    step = 10.0**-decimals
    shown = 100 * proportion
    if 0 < shown < step / 2:
        return f"less than {fixed(step, decimals)}%"
    if 100 - step / 2 < shown < 100:
        return f"more than {fixed(100 - step, decimals)}%"
    return f"{fixed(shown, decimals)}%"


def ordinal(place: int) -> str:
    """Return a whole number from 1 up as a place in an order: "1st", "12th", "103rd"."""
    teens = 10 <= place % 100 <= 20
    return f"{place:,}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(place % 10, 'th')}"


def span(lower: str, upper: str, *, between: bool = False) -> str:
    """Return two written limits as "−9 to 2", or as "between −9 and 2"."""
    return f"between {lower} and {upper}" if between else f"{lower} to {upper}"


def interval(estimate: float, lower: float, upper: float) -> str:
    """Return "44 (37 to 53)", each row with the decimals that suit it; without limits when they are equal."""
    if lower == upper:
        return fixed(estimate, significant_decimals(estimate))
    places = decimals_for(lower, upper)
    return f"{fixed(estimate, places)} ({span(fixed(lower, places), fixed(upper, places))})"


def with_limits(estimate: float, lower: float, upper: float, places: int) -> str:
    """Return "44 (37 to 53)" at `places` decimals, or more where the limits would then read the same.

    Limits that are one value are none, and are left out.
    """
    if lower == upper:
        return fixed(estimate, places)
    while places < _MOST_DECIMALS and fixed(lower, places) == fixed(upper, places):
        places += 1
    return f"{fixed(estimate, places)} ({span(fixed(lower, places), fixed(upper, places))})"
