"""Applies a plan in a process of its own, which a test kills: `python -m tests.cluster.reresolve_driver ...`."""

import sys
from pathlib import Path

import ray

from actors.namespaces import NAMESPACE
from pipelines.reresolve_run import apply
from tests.strategies.additive_matcher import AdditiveMatcher


def load_matcher(path: str | None) -> AdditiveMatcher:
    return AdditiveMatcher()


if __name__ == "__main__":
    address, data_dir, plan_id = sys.argv[1:]
    ray.init(address=address, namespace=NAMESPACE, log_to_driver=False)
    apply(Path(data_dir), plan_id, load_matcher, parallel=1, batch=1)
