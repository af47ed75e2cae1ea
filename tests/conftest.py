"""Tests marked `gpu` run where torch sees one; processes of pytest side by side share the cores.

Properties are tried on the same examples in every run, so that a run that passes passes again;
`--hypothesis-profile random` draws new ones.
"""

import os

if processes := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0")):  # read by torch here and in stages
    os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // processes))

import pytest
import torch
from hypothesis import settings

settings.register_profile("same", derandomize=True)
settings.register_profile("random", derandomize=False)
settings.load_profile("same")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the GPU's tests on a machine without one, and begin with the slow ones, so that none ends late."""
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="torch sees no GPU"))
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
