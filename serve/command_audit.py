"""Audit entries of commands that work on the data directory itself; of the others the service makes them."""

import os
import pwd
import time
from contextlib import closing

from actors.audit_log import AuditLog
from models.audit.chain import Record
from serve.audit_reads import COMMAND_LINE
from serve.settings import Settings


def record_command(settings: Settings, command: str, **facts: str) -> None:
    """Puts "onefold `command`" into the log, on disk when it returns. `facts` are of nobody: ids of keys, plans."""
    with closing(AuditLog(settings.data_path)) as log:
        now = time.time_ns() // 1_000_000
        log.append([Record(now, command_actor(), f"onefold {command}", "done", (), {"kind": "action", **facts})])


def command_actor() -> str:
    """Who runs the command: the user of the operating system, by name, or by number if it has none."""
    try:
        return COMMAND_LINE + pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return COMMAND_LINE + str(os.geteuid())
