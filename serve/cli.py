"""The command `onefold`: all commands together, and what an error becomes (exit codes: serve.cli_common)."""

import sys
from functools import cache
from importlib.metadata import version
from typing import Annotated, cast

import typer
import typer.core
import typer.main

from actors.errors import Conflict, Invalid, NotFound, OnefoldError
from pipelines.batch_client import ApiError
from pipelines.import_mapping import MappingError
from serve import (
    cli_audit,
    cli_backup,
    cli_bench,
    cli_common,
    cli_corrections,
    cli_data,
    cli_decisions,
    cli_demo,
    cli_discovery,
    cli_doctor,
    cli_identity,
    cli_impact,
    cli_keys,
    cli_minimisation,
    cli_models,
    cli_privacy,
    cli_privacy_scan,
    cli_privacy_verify,
    cli_record,
    cli_reresolve,
    cli_resolve,
    cli_restrictions,
    cli_reviews,
    cli_segments,
    cli_service,
    cli_tenants,
    cli_webhooks,
)
from serve.cli_common import FAILED, NOT_FOUND, USAGE, CommandError
from serve.cli_tenant import add_tenant
from serve.data_dir import DirectoryError
from serve.settings import SettingsError

app = typer.Typer(
    name="onefold",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Onefold: a customer data platform. Events in, one live profile per person, segments that move.",
)


def _version(wanted: bool) -> None:
    if wanted:
        print(version("onefold"))
        raise typer.Exit


@app.callback()
def root(
    _: Annotated[bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)] = False,
) -> None:
    """Options before any command."""


SERVICE, DATA, IDENTITY = "The service", "Data", "Identity resolution"
app.command("init", rich_help_panel=SERVICE)(cli_service.init)
app.command("serve", rich_help_panel=SERVICE)(cli_service.serve)
app.command("stop", rich_help_panel=SERVICE)(cli_service.stop)
app.command("status", rich_help_panel=SERVICE)(cli_service.status)
app.command("doctor", rich_help_panel=SERVICE)(cli_doctor.doctor)
app.add_typer(cli_keys.keys, name="keys", rich_help_panel=SERVICE)
app.add_typer(cli_tenants.tenants, name="tenants", rich_help_panel=SERVICE)
app.add_typer(cli_audit.audit, name="audit", rich_help_panel=SERVICE)
app.add_typer(cli_backup.backup, name="backup", rich_help_panel=SERVICE)
app.command("demo", rich_help_panel=DATA)(cli_demo.demo)
app.command("import", rich_help_panel=DATA)(cli_data.import_path)
app.command("profile", rich_help_panel=DATA)(cli_data.profile)
cli_segments.segments.command("discover")(cli_discovery.discover)
app.add_typer(cli_segments.segments, name="segments", rich_help_panel=DATA)
app.add_typer(cli_impact.impact, name="impact", rich_help_panel=DATA)
app.add_typer(cli_webhooks.webhooks, name="webhooks", rich_help_panel=DATA)
app.add_typer(cli_data.events, name="events", rich_help_panel=DATA)
cli_privacy.privacy.add_typer(cli_privacy_scan.scan_app)
cli_privacy.privacy.add_typer(cli_corrections.corrections_app)
cli_privacy.privacy.add_typer(cli_restrictions.restrictions_app)
cli_privacy.privacy.add_typer(cli_decisions.decisions_app)
cli_privacy.privacy.add_typer(cli_record.record_app)
cli_privacy.privacy.add_typer(cli_privacy_verify.verify_app)
cli_privacy.privacy.add_typer(cli_minimisation.minimisation)
app.add_typer(cli_privacy.privacy, name="privacy", rich_help_panel=DATA)
app.add_typer(cli_models.models, name="models", rich_help_panel=DATA)
app.add_typer(cli_bench.bench, name="bench", rich_help_panel=DATA)
app.add_typer(cli_data.deadletter, name="deadletter", rich_help_panel=DATA)
app.command("resolve", rich_help_panel=IDENTITY)(cli_resolve.resolve)
app.command("explain", rich_help_panel=IDENTITY)(cli_identity.explain)
app.command("graph", rich_help_panel=IDENTITY)(cli_identity.graph)
app.command("evidence", rich_help_panel=IDENTITY)(cli_identity.evidence)
app.add_typer(cli_reresolve.reresolve, name="reresolve", rich_help_panel=IDENTITY)
app.add_typer(cli_reviews.reviews, name="reviews", rich_help_panel=IDENTITY)
app.command("evaluate", rich_help_panel=IDENTITY)(cli_identity.evaluate)

add_tenant(app, without=("init", "serve", "stop", "demo", "tenants"))


def main() -> None:
    """Runs the command line and ends the process with its exit code."""
    sys.exit(run())


@cache
def command() -> typer.core.TyperGroup:
    """All commands, read from the functions that they are."""
    return cast(typer.core.TyperGroup, typer.main.get_command(app))


def run() -> int:
    """Runs the command that sys.argv holds. Returns the exit code."""
    as_json = "--json" in sys.argv
    try:
        command()()
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else int(done.code is not None)
    except (CommandError, ApiError, OnefoldError) as error:
        return cli_common.fail(error.message, error.code, _exit_code(error), as_json)
    except (SettingsError, DirectoryError, MappingError) as error:
        return cli_common.fail(str(error), "settings", USAGE, as_json)
    except BrokenPipeError:
        cli_common.drop_pipe()
        return 0
    except KeyboardInterrupt:
        return 130
    return 0


def _exit_code(error: CommandError | ApiError | OnefoldError) -> int:
    if isinstance(error, CommandError):
        return error.exit_code
    if isinstance(error, ApiError):
        return cli_common.exit_code_of(error)
    if isinstance(error, NotFound):
        return NOT_FOUND
    return USAGE if isinstance(error, Invalid | Conflict) else FAILED
