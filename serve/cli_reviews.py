"""Commands about reviews: pairs of people who may be one. They call the running service's HTTP API."""

from typing import Annotated, Any
from urllib.parse import quote

import msgspec
import typer
from rich.console import Console

from models.identity.drawing_waterfall import waterfall_text
from models.identity.evidence import Explanation
from serve.cli_common import AsJson, ConfigFile, DataDir, Key, Limit, Url, connect, emit, table
from serve.cli_data import pages

reviews = typer.Typer(no_args_is_help=True, help="Decide on pairs of people who may be one.")

_PATH = "/v1/identity/reviews"
ReviewId = Annotated[str, typer.Argument(help="Id from `reviews list`.", show_default=False)]


@reviews.command("list")
def list_reviews(
    limit: Limit = 50,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """List open reviews."""
    with connect(data_dir, config, url, api_key) as client:
        found = pages(client, _PATH, limit)
    columns = ("ID", "ONE", "OTHER", "CONFIDENCE", "WHY ASKED", "OPENED")
    rows = [
        (r["review_id"], r["left"], r["right"], f"{r['confidence']:.1%}", r["reason"], r["opened_at"]) for r in found
    ]
    emit(as_json, found, lambda console: table(console, columns, rows, "no open reviews"))


@reviews.command("show")
def show(
    review_id: ReviewId,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Show a review with its evidence, field by field."""
    with connect(data_dir, config, url, api_key) as client:
        found = client.get(_path(review_id))
    emit(as_json, found, lambda console: _print_review(console, found))


@reviews.command("accept")
def accept(
    review_id: ReviewId,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Make the two one person. An unmerge takes it back."""
    with connect(data_dir, config, url, api_key) as client:
        done = client.request("POST", f"{_path(review_id)}/accept")
    if done["merge_id"] is None:
        said = f"{done['customer_id']}: the two were one person already"
    else:
        said = f"{done['merged']} is part of {done['customer_id']} now (merge {done['merge_id']})"
    emit(as_json, done, lambda console: _say(console, said))


@reviews.command("reject")
def reject(
    review_id: ReviewId,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Set the two apart: matching never joins them."""
    with connect(data_dir, config, url, api_key) as client:
        done = client.request("POST", f"{_path(review_id)}/reject")
    emit(as_json, done, lambda console: _say(console, f"{done['left']} and {done['right']} stay apart"))


def _path(review_id: str) -> str:
    return f"{_PATH}/{quote(review_id, safe='')}"


def _print_review(console: Console, review: dict[str, Any]) -> None:
    state = f"rejected by {review['rejected_by']} at {review['rejected_at']}" if review["rejected_at"] else "open"
    _say(console, f"{review['review_id']}: {state}, opened {review['opened_at']}, why asked: {review['reason']}")
    _say(console, f"left   {review['left']}\nright  {review['right']}\n")
    evidence = msgspec.convert(review["evidence"], Explanation)
    _say(console, waterfall_text(evidence, console.width).rstrip("\n"))


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
