"""The parts of an SVG picture as text: escaped, without scripts, styles or references to anything outside.

Pictures have a white ground of their own, so they read the same on a dark page; colours are told apart by people who
do not see red or green (blue and orange after Okabe and Ito, 2008, darkened for contrast on white).
"""

import re
from collections.abc import Sequence
from zlib import crc32

from models.identity.drawing_text import cells, cut, plain

INK, MUTED, FAINT, BAND = "#1f2933", "#5f6c7b", "#c5ccd5", "#f4f6f8"
FOR, FOR_LIGHT = "#1d63a5", "#8dbbe6"
AGAINST, AGAINST_LIGHT = "#bf4d00", "#f0b184"
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif"
_EM_A_CELL = 0.6  # width of a character against the font's size: more than the usual fonts need


def escape(text: str) -> str:
    """Any text, for an element's content or an attribute in double quotes."""
    text = plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace('"', "&quot;").replace("'", "&#39;")


def typeset(words: str) -> str:
    """Minus signs where a figure has a hyphen."""
    return re.sub(r"(?<![\w-])-(?=\d)", "\u2212", words)


def number(value: float) -> str:
    """A coordinate, to a tenth of a pixel."""
    text = f"{value:.1f}"
    return "0" if text == "-0.0" else text.removesuffix(".0")


def text_width(text: str, size: float) -> float:
    """An upper estimate, in pixels: what fits by it fits in any usual font."""
    return cells(text) * size * _EM_A_CELL


def shorten(text: str, size: float, width: float) -> str:
    """`text` cut to `width` pixels."""
    return cut(plain(text), max(1, int(width / (size * _EM_A_CELL))))


def text(
    x: float,
    y: float,
    content: str,
    size: float = 12,
    *,
    colour: str = INK,
    anchor: str = "start",
    bold: bool = False,
    halo: bool = False,
) -> str:
    """A line of text whose baseline is at `y`; a halo of the ground's colour keeps it apart from lines below it."""
    attributes = f'x="{number(x)}" y="{number(y)}" font-size="{number(size)}" fill="{colour}"'
    if anchor != "start":
        attributes += f' text-anchor="{anchor}"'
    if bold:
        attributes += ' font-weight="600"'
    if halo:
        attributes += ' stroke="#fff" stroke-width="4" stroke-linejoin="round" paint-order="stroke"'
    return f"<text {attributes}>{escape(content)}</text>"


def rectangle(x: float, y: float, width: float, height: float, colour: str, rounded: float = 0) -> str:
    """A filled rectangle."""
    corners = f' rx="{number(rounded)}"' if rounded else ""
    return (
        f'<rect x="{number(x)}" y="{number(y)}" width="{number(width)}" height="{number(height)}"{corners} '
        f'fill="{colour}"/>'
    )


def line(
    x1: float,
    y1: float,
    x2: float,
    y2: float,
    colour: str,
    width: float = 1,
    *,
    opacity: float = 1,
    dashed: bool = False,
) -> str:
    """A straight line."""
    attributes = f'x1="{number(x1)}" y1="{number(y1)}" x2="{number(x2)}" y2="{number(y2)}" stroke="{colour}"'
    attributes += f' stroke-width="{width:.2g}"'
    if opacity < 1:
        attributes += f' stroke-opacity="{opacity:.2g}"'
    if dashed:
        attributes += ' stroke-dasharray="5 4"'
    return f"<line {attributes}/>"


def circle(x: float, y: float, radius: float, colour: str, edge: str, edge_width: float) -> str:
    """A filled circle with an edge."""
    return (
        f'<circle cx="{number(x)}" cy="{number(y)}" r="{number(radius)}" fill="{colour}" stroke="{edge}" '
        f'stroke-width="{edge_width:.2g}"/>'
    )


def group(parts: Sequence[str], title: str) -> str:
    """Parts that are one thing; `title` is shown by a browser when the pointer rests on it."""
    return f"<g><title>{escape(title)}</title>{''.join(parts)}</g>"


def picture(width: float, height: float, title: str, description: str, parts: Sequence[str]) -> str:
    """A whole SVG 1.1 document that may stand alone or inside a page. A screen reader reads title and description."""
    # Ids must differ between the pictures of one page.
    content = "\n".join((title, description, *parts))
    mark = f"{crc32(content.encode('utf-8', 'replace')):08x}"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {number(width)} {number(height)}" '
        f'width="{number(width)}" height="{number(height)}" role="img" '
        f'aria-labelledby="title-{mark}" aria-describedby="desc-{mark}" font-family="{_FONT}">'
    )
    return "\n".join(
        [
            head,
            f'<title id="title-{mark}">{escape(title)}</title>',
            f'<desc id="desc-{mark}">{escape(description)}</desc>',
            rectangle(0, 0, width, height, "#fff"),
            *parts,
            "</svg>\n",
        ]
    )
