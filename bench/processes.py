"""Resident memory of processes, from /proc: what a benchmark reports beside its rates. Linux only."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def resident_bytes(pid: int) -> int:
    """Resident set size of a process; 0 if it has ended."""
    with suppress(OSError):
        for line in Path("/proc", str(pid), "status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    return 0


def title(pid: int) -> str:
    """What a process calls itself: Ray's workers "ray::" and the actor's class; else its program. "" if ended."""
    with suppress(OSError):
        command = Path("/proc", str(pid), "cmdline").read_bytes().split(b"\0")[0].decode(errors="replace")
        if command.startswith("ray::"):
            return command.partition(".")[0]  # the method that it runs just now follows the class
        return command.split(" ")[0].rpartition("/")[2] or Path("/proc", str(pid), "comm").read_text().strip()
    return ""


def resident_by_title(pids: Iterable[int]) -> dict[str, int]:
    """Bytes by title, processes of one title added up."""
    found: dict[str, int] = {}
    for pid in pids:
        size = resident_bytes(pid)
        if size:
            name = title(pid)
            found[name] = found.get(name, 0) + size
    return dict(sorted(found.items(), key=lambda entry: -entry[1]))


def peak_bytes(pid: int) -> int:
    """The most that a process has had resident so far; 0 if it has ended.

    Of the process's own image: getrusage's figure starts at what its parent had when it was forked.
    """
    with suppress(OSError):
        for line in Path("/proc", str(pid), "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def with_descendants(pid: int) -> list[int]:
    """A process and all that it started and that these started, while they live."""
    started: dict[int, list[int]] = {}
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            # The name, in brackets, may hold anything; the state and the parent follow it.
            parent = (place / "stat").read_text(errors="replace").rpartition(")")[2].split()[1]
            started.setdefault(int(parent), []).append(int(place.name))
    found = [pid]
    for known in found:  # grows while it is read
        found += started.get(known, [])
    return found
