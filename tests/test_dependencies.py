"""No version that is known to be vulnerable satisfies what the project asks for: for the time when no database can be asked.

`.ci/run` asks one where it can be reached; what it finds goes into this list together with the raised bound.
"""

from __future__ import annotations

import configparser
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from bridge.sockets import LIBZMQ

ROOT = Path(__file__).resolve().parents[1]
ADVISORIES = {
    "msgpack": {"CVE-2026-57585": "1.2.1"},
    "numpy": {"CVE-2021-34141": "1.22", "CVE-2021-41496": "1.22"},
    "pandas": {},
    "pyarrow": {"CVE-2023-47248": "14.0.1", "CVE-2026-25087": "23.0.1"},
    "pygments": {"CVE-2022-40896": "2.15.1", "CVE-2026-4539": "2.20.0"},
    "python-dotenv": {"CVE-2026-28684": "1.2.2"},
    "pyzmq": {"CVE-2019-13132 (libzmq 4.3.1)": "18.1", "CVE-2020-15166 (libzmq 4.3.2)": "20.0"},
    "setuptools": {"CVE-2024-6345": "70.0", "CVE-2025-47273": "78.1.1"},
}
"""By package: an advisory, and the first version without it."""


def asked_for() -> list[Requirement]:
    """What users and those who build the project have to install."""
    parsed = configparser.ConfigParser()
    parsed.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = parsed["options"]["install_requires"].split("\n")
    if parsed.has_section("options.extras_require"):
        lines += [line for name, text in parsed["options.extras_require"].items() if name != "dev" for line in text.split("\n")]
    lines += tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    return [Requirement(line) for line in lines if line.strip()]


REQUIREMENTS = asked_for()


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=lambda requirement: requirement.name)
def test_each_has_a_lower_bound_that_excludes_what_is_vulnerable(requirement: Requirement) -> None:
    bounds = [Version(bound.version) for bound in requirement.specifier if bound.operator in (">=", "==", "~=")]
    assert bounds, f"{requirement.name} may be of any age"
    for advisory, fixed in ADVISORIES.get(requirement.name.lower(), {}).items():
        assert max(bounds) >= Version(fixed), f"{advisory}: {requirement.name} before {fixed} is allowed"


def test_what_others_bring_is_bounded_too() -> None:
    """rich asks for any Pygments of the last years."""
    names = {requirement.name.lower() for requirement in REQUIREMENTS}
    assert "pygments" in names
    assert names >= {name for name in ADVISORIES if name not in ("pyarrow", "pandas", "numpy")}


def test_the_library_of_sockets_is_asserted_when_the_bridge_starts() -> None:
    """Wheels bring their own; a pyzmq that was built here may find an old one. CVE-2021-20235 and its kin are of before 4.3.3."""
    assert LIBZMQ >= (4, 3, 5)
