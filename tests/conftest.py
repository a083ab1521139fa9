"""Settings of all tests: no property test is judged by its time, for machines are shared and differ, and each run tries the same
examples. `--hypothesis-profile explore` looks for new ones."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.register_profile("project", settings.get_profile("explore"), derandomize=True)
settings.load_profile("project")
