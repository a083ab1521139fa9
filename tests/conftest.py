"""Settings of all tests: no property test is judged by its time, for machines are shared and differ, and each run tries the same
examples. `--hypothesis-profile explore` looks for new ones."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.register_profile("project", settings.get_profile("explore"), derandomize=True)
settings.load_profile("project")


@pytest.fixture(autouse=True)
def log_of_strategies() -> Iterator[None]:
    """A command that a test calls sets up the log of its process: the next test finds it as it was."""
    log = logging.getLogger("strategies")
    handlers, level, propagate = log.handlers[:], log.level, log.propagate
    yield
    log.handlers[:], log.propagate = handlers, propagate
    log.setLevel(level)
