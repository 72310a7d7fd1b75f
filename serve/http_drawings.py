"""Answers that are drawn: text for a terminal, or an SVG picture."""

from typing import Annotated, Literal

from fastapi import Query
from starlette.responses import Response

from serve.identity_reads import Drawing

Form = Annotated[Literal["json", "text", "svg"], Query(alias="format", description="json, or a drawing")]

_MEDIA: dict[Drawing, str] = {"text": "text/plain", "svg": "image/svg+xml"}
# A picture is opened by itself in a browser: it may then do nothing, whatever is written in it.
_HEADERS = {"Content-Security-Policy": "default-src 'none'; sandbox", "X-Content-Type-Options": "nosniff"}


def respond_drawn(drawn: str, drawing: Drawing) -> Response:
    """A drawing with its content type, in UTF-8."""
    return Response(drawn, headers=_HEADERS, media_type=f"{_MEDIA[drawing]}; charset=utf-8")
