"""Commands that show what is left of a person, and check certificates of erasures. They read files alone."""

import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from models.identity.identifiers import IdentifierNormaliser, IdentitySettings
from models.privacy.certificate import Certificate, certificate_or_statement
from models.privacy.needles import needles_of
from models.privacy.recipients import RecipientStatement
from models.privacy.scan_report import Found, ScanReport
from models.privacy.signed_document import InvalidDocument
from models.privacy.suppression import KEY_BYTES
from pipelines.erasure_certificate import read_key
from serve.cli_common import FAILED, USAGE, AsJson, CommandError, ConfigFile, DataDir, emit, settings_of, table
from serve.command_audit import record_command
from serve.data_dir import SUPPRESSION_KEY_FILE, suppression_key
from serve.ray_node import outside

scan_app = typer.Typer(no_args_is_help=True)


@scan_app.command("scan")
def scan(
    needle: Annotated[
        list[str] | None, typer.Option("--needle", help="A text to look for.", show_default=False)
    ] = None,
    identifier: Annotated[
        list[str] | None,
        typer.Option("--identifier", help="namespace:value, such as email:jane@example.com.", show_default=False),
    ] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Search every file of the data directory, raw and decoded. Exit code 1 if something was found or not readable."""
    from pipelines import privacy_scan  # with it comes pyarrow, for which no other command should wait

    if not needle and not identifier:
        raise CommandError(
            "give --needle TEXT or --identifier NAMESPACE:VALUE, each as often as needed", USAGE, "usage"
        )
    settings = settings_of(data_dir, config).settings
    path = settings.data_path
    if not settings.control_path.exists():
        raise CommandError(f"{path} is not a data directory of Onefold: choose another --data-dir", USAGE, "usage")
    kept = (path / SUPPRESSION_KEY_FILE).exists()
    key = suppression_key(path) if kept else secrets.token_bytes(KEY_BYTES)
    try:
        needles = needles_of(_forms(identifier or [], settings.identity), needle or [], key)
    except ValueError as error:
        raise CommandError(f"--{error}", USAGE, "usage") from None
    record_command(settings, "privacy scan")
    report = privacy_scan.scan(path, needles, beside=outside(settings))
    data = {**msgspec.to_builtins(report), "failures": report.failures, "clean": report.clean}
    emit(as_json, data, lambda console: _print_report(console, report))
    if not report.clean:
        raise typer.Exit(FAILED)


@scan_app.command("verify-certificate")
def verify_certificate(
    file: Annotated[Path, typer.Argument(help="The certificate.", show_default=False)],
    public_key: Annotated[
        Path, typer.Option("--public-key", help="certificate-signing.pub of who issued it.", show_default=False)
    ],
    as_json: AsJson = False,
) -> None:
    """Check a certificate of an erasure, or a statement about its recipients, offline. Exit code 1 and the reason if it
    does not hold."""
    try:
        document, key = file.read_bytes(), read_key(public_key)
    except OSError as error:
        raise CommandError(f"{error.filename}: {error.strerror}", USAGE, "usage") from None
    except ValueError as error:
        raise CommandError(str(error), USAGE, "usage") from None
    try:
        certificate = certificate_or_statement(document, key)
    except InvalidDocument as error:
        raise CommandError(str(error), FAILED, "invalid_certificate") from None
    if isinstance(certificate, RecipientStatement):
        emit(as_json, certificate, lambda console: _print_statement(console, certificate))
    else:
        emit(as_json, certificate, lambda console: _print_certificate(console, certificate))


def _forms(identifiers: list[str], settings: IdentitySettings) -> list[str]:
    """Identifiers as they are given, and as they are kept."""
    normaliser = IdentifierNormaliser(settings)
    forms = list(identifiers)
    for each in identifiers:
        namespace, _, value = each.partition(":")
        normal = normaliser.normal_form(namespace, value)
        forms += [normal] if normal else []
    return list(dict.fromkeys(forms))


def _print_report(console: Console, report: ScanReport) -> None:
    table(
        console,
        ("STORE", "FILES", "BYTES", "ROWS", "FOUND", "ALIKE"),
        [
            (store.store, store.files, f"{store.bytes:,}", f"{store.rows:,}", *_counts(store.found))
            for store in report.stores
        ],
        "no files",
    )
    found = [each for store in report.stores for each in store.found]
    if found:
        rows = [
            (each.needle, each.file, each.place, each.how, each.count, "" if each.certain else "alike")
            for each in found
        ]
        console.print()
        table(console, ("NEEDLE", "FILE", "PLACE", "HOW", "COUNT", ""), rows, "")
    console.print()
    for failure in report.failures:
        console.print(f"not whole: {failure}", highlight=False, soft_wrap=True)
    planted = sum(each.holds for each in report.planted)
    console.print(
        f"{len(report.found):,} places; control: {planted} of {len(report.planted)} planted canaries found; "
        f"{report.seconds:.1f} s",
        highlight=False,
    )


def _counts(found: list[Found]) -> tuple[int, int]:
    certain = sum(each.certain for each in found)
    return certain, len(found) - certain


def _print_statement(console: Console, statement: RecipientStatement) -> None:
    issued = datetime.fromtimestamp(statement.issued_at / 1000, UTC).isoformat(timespec="seconds")
    console.print(
        f"holds: statement {statement.statement_id} of {issued}, signed with key {statement.public_key_id}",
        f"request {statement.request_id}, certificate {statement.certificate_id}",
        sep="\n",
        highlight=False,
        soft_wrap=True,
    )
    for recipient in statement.recipients:
        console.print(f"told: {recipient.name} ({recipient.state})", highlight=False)


def _print_certificate(console: Console, certificate: Certificate) -> None:
    issued = datetime.fromtimestamp(certificate.issued_at / 1000, UTC).isoformat(timespec="seconds")
    console.print(
        f"holds: certificate {certificate.certificate_id} of {issued}, signed with key {certificate.public_key_id}",
        f"request {certificate.request_id} ({certificate.regulation}): {len(certificate.fingerprints)} identifiers, "
        f"{len(certificate.customer_ids)} customer ids, {certificate.events_erased:,} events erased",
        sep="\n",
        highlight=False,
        soft_wrap=True,
    )
    columns = ("STORE", "FILES", "BYTES", "ROWS", "FOUND BEFORE", "FOUND AFTER", "ALIKE")
    rows = [
        (
            store.store,
            store.files,
            f"{store.bytes:,}",
            f"{store.rows:,}",
            "not scanned" if store.found_before is None else store.found_before,
            store.found_after,
            store.alike_after,
        )
        for store in certificate.stores
    ]
    table(console, columns, rows, "no stores")
    for recipient in certificate.recipients:
        console.print(f"told: {recipient.name} ({recipient.state})", highlight=False)
    for each in certificate.remains:
        console.print(f"remains: {each}", highlight=False, soft_wrap=True)
