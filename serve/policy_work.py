"""Reports on decision points: made in this process for the command line, in one of their own for HTTP.

To make one, people are looked at as they were at each decision, and models are fitted: replicas, which answer within
milliseconds, leave that to another process. It reads the shards' files, which must be on its machine.
"""

import asyncio
import os
import sys

import msgspec

from actors.errors import Conflict, NotFound, Unavailable
from models.impact.policy_report import PolicyReport
from models.scoring.deciding import Champion, with_features
from models.scoring.registry import ModelVersion
from pipelines.decided import Times
from pipelines.policy_reports import report_policies
from serve.decision_models import decision_point, read_decisions
from serve.http_schemas import time_text
from serve.settings import Settings

HTTP_DECISIONS_MAX = 50_000  # of more, those about a part of the people: 0.4 ms for each with 40 events
_TIMEOUT_S = 120.0
_NICE = 10  # lookups come first


class PolicyQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be reported."""

    settings: Settings
    decision: str
    since: int  # ms
    until: int
    now: int
    versions: list[ModelVersion]  # that are judged: the champion, the challenger
    decisions_max: int


def make_report(question: PolicyQuestion) -> PolicyReport:
    """The report. Raises NotFound for a decision point that is none, and if a shard's file is on another machine."""
    settings, name = question.settings, question.decision
    learned = [Champion.of(each).parameters for each in question.versions]
    point = with_features(decision_point(settings, name), learned)
    times = Times(question.since, question.until, question.now)
    found = read_decisions(settings, name, point, times, question.decisions_max)
    since = time_text(question.since) if question.since else ""
    return report_policies(name, point, found, question.versions, since, time_text(question.until))


class PolicyReports:
    """Has reports of one replica made, one at a time."""

    def __init__(self) -> None:
        self._one = asyncio.Semaphore(1)

    async def make(self, question: PolicyQuestion) -> PolicyReport:
        """Raises Conflict if the files are not here, Unavailable if it takes too long."""
        async with self._one:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-P", "-m", __name__),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,  # what errors say may quote data
            )
            try:
                told, _ = await asyncio.wait_for(process.communicate(msgspec.json.encode(question)), _TIMEOUT_S)
            except TimeoutError:
                raise Unavailable(
                    "the report takes too long: choose a shorter time, or use `onefold impact policy`"
                ) from None
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
        if process.returncode == _ELSEWHERE:
            raise Conflict("the shards' files are on another machine: run `onefold impact policy` there")
        if process.returncode:
            raise Unavailable("the report could not be made; `onefold impact policy` says why")
        return msgspec.json.decode(told, type=PolicyReport)


_ELSEWHERE = 3  # exit code


def main() -> int:
    """Reads a question, writes the report, and tells by the exit code why there is none."""
    os.nice(_NICE)
    try:
        report = make_report(msgspec.json.decode(sys.stdin.buffer.read(), type=PolicyQuestion))
    except NotFound:
        return _ELSEWHERE
    sys.stdout.buffer.write(msgspec.json.encode(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
