"""`python -m bench.model_faults`: what a champion that sleeps, raises, tells NaN or too few rows does to lookups.

Starts a service with people and events that go on coming in, and measures lookups in rounds that alternate: with a
model that is well, and with one that fails. Tells for each fault the ratio of the 99th percentiles, and what the
profile says of the score. Exit code 1 if a ratio is above RATIO_MAX or a failure is not told.
"""

import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import quantiles

from actors.free_ports import free_ports
from bench.kill import Service
from pipelines.batch_client import ApiClient

RATIO_MAX = 1.2
ROUNDS = 3
SECONDS = 4.0
PEOPLE = 200
FAULTS = {
    "sleep": "did not answer",
    "raise": "it raised ValueError",
    "nan": "not one of its scores is valid",
    "shape": "rows, one a person",
}
_MODEL = """
import time
import pyarrow as pa
from models.scoring.contract import Output, Signature
from models.scoring.features import Feature

class Model:
    signature = Signature(name="faulty", features={"events": Feature(history="events")}, output=Output())

    def __init__(self, parameters):
        self.fault = parameters["fault"]

    def score(self, features):
        events = features.column("events")
        if self.fault == "none" or features.column("customer_id")[0].as_py().startswith("trial"):
            return pa.RecordBatch.from_pydict({"value": events})
        if self.fault == "sleep":
            time.sleep(10)
        if self.fault == "raise":
            raise ValueError
        rows = features.num_rows + (self.fault == "shape")
        return pa.RecordBatch.from_pydict({"value": [float("nan")] * rows})
"""


class _Events:
    """Events that come in while lookups are measured, so that the model is asked all the time."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._stop.wait(0.05):
            send(self._client, [number % PEOPLE])
            number += 1


def send(client: ApiClient, people: list[int]) -> None:
    """An event of each."""
    batch = [{"type": "track", "event": "Seen", "userId": f"u{number}"} for number in people]
    client.post("/v1/batch?wait=true", {"batch": batch})


def lookups(client: ApiClient, seconds: float) -> list[float]:
    """Milliseconds of one lookup after the other."""
    took, until, number = [], time.monotonic() + seconds, 0
    while (started := time.perf_counter()) and time.monotonic() < until:
        client.get(f"/v1/profiles/user_id:u{number % PEOPLE}")
        took.append(1000 * (time.perf_counter() - started))
        number += 1
    return took


def main() -> int:
    """Measures and prints JSON."""
    with tempfile.TemporaryDirectory(prefix="onefold-faults-") as folder:
        place = Path(folder)
        (place / "faulty_model.py").write_text(_MODEL)
        os.environ["PYTHONPATH"] = os.pathsep.join([folder, *filter(None, [os.environ.get("PYTHONPATH", "")])])
        service = Service(place / "data", 2, *free_ports(2))
        try:
            service.start()
            found = measure(service, place)
        finally:
            service.stop()
    print(json.dumps(found, indent=2))
    good = all(each["ratio"] <= RATIO_MAX and each["told"] for each in found.values())
    return 0 if good else 1


def measure(service: Service, place: Path) -> dict[str, dict[str, float | bool]]:
    """Fault -> p99 without and with it in ms, their ratio, and whether the profile tells the reason."""
    versions = {}
    for fault in ("none", *FAULTS):
        (place / "parameters.json").write_text(json.dumps({"fault": fault}))
        command = ("models", "register", "--import", "faulty_model:Model", "--parameters")
        versions[fault] = service.cli(*command, str(place / "parameters.json"))["version"]
    with ApiClient(service.url, service.key) as client, ApiClient(service.url, service.key) as writer:
        send(writer, list(range(PEOPLE)))

        def champion(fault: str) -> None:
            reference = f"faulty@{versions[fault]}"
            service.cli("models", "promote", reference, "--force", "--reason", fault)

        def score() -> dict[str, str]:
            found: dict[str, str] = client.get("/v1/profiles/user_id:u0")["scores"].get("faulty", {})
            return found

        champion("none")
        until = time.monotonic() + 60
        while not score() and time.monotonic() < until:
            time.sleep(0.2)
        results: dict[str, dict[str, float | bool]] = {}
        for fault, reason in FAULTS.items():
            took: dict[str, list[float]] = {"none": [], fault: []}
            told = False
            for _ in range(ROUNDS):
                for each, times in took.items():
                    champion(each)
                    with _Events(writer):
                        times += lookups(client, SECONDS)
                    if each == fault:
                        until = time.monotonic() + 15
                        while not told and time.monotonic() < until:
                            told = reason in score().get("stale", "")
            well, ill = (quantiles(times, n=100)[98] for times in took.values())
            results[fault] = {"p99_ms": well, "p99_ms_failing": ill, "ratio": ill / well, "told": told}
    return results


if __name__ == "__main__":
    sys.exit(main())
