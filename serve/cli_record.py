"""`onefold privacy record`: the record of processing activities, as the running service is set up."""

import msgspec
import typer

from models.privacy.record import ProcessingRecord, to_markdown
from serve.cli_common import AsJson, ConfigFile, DataDir, Key, Url, connect, emit

record_app = typer.Typer(no_args_is_help=True)


@record_app.command("record")
def record(
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Print the record of processing activities (GDPR article 30), as Markdown unless --json is given."""
    with connect(data_dir, config, url, api_key) as client:
        found = client.get("/v1/privacy/record")
    text = to_markdown(msgspec.convert(found, ProcessingRecord))
    emit(as_json, found, lambda console: console.print(text, markup=False, highlight=False, soft_wrap=True))
