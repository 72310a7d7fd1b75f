"""The ban itself works: see tests/unit/conftest.py."""

import sys

import pytest


def test_importing_ray_fails_here() -> None:
    if "ray" in sys.modules:
        pytest.skip("another kind of test in this session has imported Ray already")
    with pytest.raises(ImportError, match="tests/cluster"):
        import ray  # noqa: F401
