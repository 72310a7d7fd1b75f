"""What Schemathesis is told of the service beside its document: `bench.fuzz_http` names this module to it."""

import os
from typing import Any

import schemathesis
from schemathesis import Case, HookContext

_KEY_ID = os.environ["ONEFOLD_BENCH_FUZZ_KEY_ID"]


@schemathesis.hook
def filter_case(context: HookContext, case: Case[Any]) -> bool:
    """Whether to make this request: all but those that would revoke the key that makes them."""
    return case.path_parameters.get("key_id") != _KEY_ID
