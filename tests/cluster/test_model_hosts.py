"""Models that fail in every way, in hosts on a real Ray node: callers get a reason, other models go on."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import ray

from actors.model_explaining import HostExplanations
from actors.model_host import ModelHosts, stop_hosts
from actors.model_loading import code_digest
from actors.namespaces import NAMESPACE
from models.scoring.hosting import HostSettings, ModelFailed
from models.scoring.registry import ModelVersion
from tests.strategies.faulty_models import SECRET, UNLUCKY, Halved

MODULE = "tests.strategies.faulty_models"
PATIENCE_S = 60.0


pytestmark = pytest.mark.usefixtures("node")


def version(kind: str, number: int = 1, **more: Any) -> ModelVersion:
    return ModelVersion(
        name=Halved.signature.name,
        version=number,
        source="import",
        target=f"{MODULE}:{kind}",
        signature=Halved.signature,
        **more,
    )


def people(*events: float | None) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(
        {"customer_id": [f"c{number}" for number in range(len(events))], "events": pa.array(events, pa.float64())}
    )


@asynccontextmanager
async def hosts(timeout_s: float = PATIENCE_S, **settings: Any) -> AsyncIterator[ModelHosts]:
    try:
        yield ModelHosts(Path("models"), HostSettings(timeout_s=timeout_s, **settings))
    finally:
        await asyncio.to_thread(stop_hosts, NAMESPACE)


async def failure(asked: Coroutine[Any, Any, pa.RecordBatch]) -> str:
    with pytest.raises(ModelFailed) as caught:
        await asked
    assert SECRET not in caught.value.reason
    return caught.value.reason


def test_scores_one_person_and_many() -> None:
    async def run() -> None:
        async with hosts() as asked:
            for kind in ("Halved", "Quick"):
                model = version(kind, number=1 if kind == "Halved" else 2)
                answer = await asked.score(model, people(4.0, None, 7.0))
                assert answer.to_pydict() == {"value": [2.0, None, 3.5]}
                assert (await asked.score(model, people(9.0))).to_pydict() == {"value": [4.5]}
            scaled = version("Scaled", number=3, parameters={"by": 3.0})
            assert (await asked.score(scaled, people(2.0))).to_pydict() == {"value": [6.0]}

    asyncio.run(run())


def test_hosts_that_are_there_explain(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        explanations = HostExplanations(HostSettings(timeout_s=PATIENCE_S), NAMESPACE)
        async with hosts() as asked:
            for number, kind in enumerate(("Explained", "Halved", "ExplainsByRaising"), start=1):
                model = version(kind, number)
                assert await explanations.ask(model, people(4.0)) is None  # nothing is started for it
                await asked.score(model, people(4.0))
            told = await explanations.ask(version("Explained", 1), people(4.0))
            assert told is not None and (told[0], told[1].to_pydict()) == ("events", {"base": [0.0], "events": [2.0]})
            assert await explanations.ask(version("Halved", 2), people(4.0)) is None
            assert await explanations.ask(version("ExplainsByRaising", 3), people(UNLUCKY)) is None
            assert (await asked.score(version("ExplainsByRaising", 3), people(4.0))).num_rows == 1

    asyncio.run(run())
    (logged,) = [record for record in caplog.records if record.message == "a score could not be explained"]
    assert "it raised ValueError" in str(vars(logged)["fields"]) and SECRET not in str(vars(logged))


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("Raises", "it raised ValueError at line"),
        ("TellsInItsType", "it raised an error at line"),
        ("Exits", "it raised SystemExit at line"),
        ("NotANumber", "value: not one of its scores is valid"),
        ("OutOfRange", "value: not one of its scores is valid"),
        ("OneTooMany", "expected 2 rows, one a person, got 3"),
        ("Texts", "value: expected numbers, got string"),
        ("NoTable", "expected an Arrow record batch, got list"),
        ("NoValue", "expected a column value"),
    ],
)
def test_what_is_no_score_is_told_and_the_host_goes_on(kind: str, reason: str) -> None:
    async def run() -> None:
        async with hosts() as asked:
            assert reason in await failure(asked.score(version(kind), people(1.0, UNLUCKY)))
            before = await process_of(kind)
            assert (await asked.score(version(kind), people(8.0))).to_pydict() == {"value": [4.0]}
            assert await process_of(kind) == before

    asyncio.run(run())


@pytest.mark.parametrize(
    ("kind", "timeout_s", "reason"),
    [
        ("Crashes", PATIENCE_S, "its process ended while it scored"),
        ("Sleeps", 3.0, "it did not answer in 3 s"),
        ("HoldsTheInterpreter", 3.0, "it did not answer in 3 s"),
        ("TakesMemory", PATIENCE_S, "it needs more memory"),
    ],
)
def test_a_host_that_is_lost_is_left_alone_and_then_started_again(kind: str, timeout_s: float, reason: str) -> None:
    async def run() -> None:
        async with hosts(timeout_s, memory_mb=512) as asked:
            assert (await asked.score(version(kind), people(8.0))).to_pydict() == {"value": [4.0]}
            before = await process_of(kind)
            began = time.monotonic()
            assert reason in await failure(asked.score(version(kind), people(UNLUCKY)))
            assert time.monotonic() - began < timeout_s + 5.0  # the calls that hang would take longer
            # At once: nobody is asked.
            assert reason in await failure(asked.score(version(kind), people(8.0)))
            answer = None
            while answer is None:
                try:
                    answer = await asked.score(version(kind), people(8.0))
                except ModelFailed as error:
                    assert reason in error.reason
                    await asyncio.sleep(0.05)
            assert answer.to_pydict() == {"value": [4.0]}
            assert await process_of(kind) != before

    asyncio.run(run())


def test_a_model_that_hangs_holds_up_nobody_who_asks_another() -> None:
    async def run() -> None:
        async with hosts(timeout_s=3.0) as asked:
            bad, good = version("Sleeps", 1), version("Halved", 2)
            await asked.score(bad, people(1.0))
            await asked.score(good, people(1.0))
            waiting = asyncio.create_task(failure(asked.score(bad, people(UNLUCKY))))
            answers = 0
            while not waiting.done():
                await asked.score(good, people(1.0))
                answers += 1
            assert "did not answer" in await waiting
            assert answers > 5

    asyncio.run(run())


def test_what_cannot_be_loaded_is_told_without_what_it_says() -> None:
    async def run() -> None:
        async with hosts() as asked:
            assert "it cannot be made: it raised OSError" in await failure(
                asked.score(version("NeverLoads"), people(1.0))
            )
            assert "cannot be imported" in await failure(asked.score(version("Missing", 2), people(1.0)))
            changed = version("Halved", 3, digest="0" * 64)
            assert "its code has changed" in await failure(asked.score(changed, people(1.0)))
            same = version("Halved", 4, digest=code_digest("import", f"{MODULE}:Halved"))
            assert (await asked.score(same, people(1.0))).to_pydict() == {"value": [0.5]}

    asyncio.run(run())


def test_nothing_that_a_model_prints_is_kept(node: Path) -> None:
    async def run() -> None:
        async with hosts() as asked:
            await asked.score(version("Prints"), people(UNLUCKY))

    asyncio.run(run())
    logs = node / "session_latest" / "logs"
    files = [path for path in logs.rglob("*") if path.is_file()]
    assert any("worker" in path.name for path in files)
    assert [path.name for path in files if SECRET.encode() in path.read_bytes()] == []


def test_hosts_of_versions_that_count_no_more_are_ended() -> None:
    async def run() -> None:
        async with hosts() as asked:
            old, new = version("Halved", 1), version("Quick", 2)
            for each in (old, new):
                await asked.score(each, people(1.0))
            await asked.keep([new])
            with pytest.raises(ValueError):
                await asyncio.to_thread(ray.get_actor, "model-halved-1", NAMESPACE)
            assert (await asked.score(new, people(2.0))).to_pydict() == {"value": [1.0]}

    asyncio.run(run())


async def process_of(kind: str) -> int:
    handle = await asyncio.to_thread(ray.get_actor, "model-halved-1", NAMESPACE)
    found: int = await handle.process_id.remote()
    return found
