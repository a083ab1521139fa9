"""Access lists of Windows, from their text form."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bridge.windows_access import strangers

OWN = "S-1-5-21-1-2-3-1001"


@pytest.mark.parametrize(
    ("descriptor", "readers", "writers"),
    [
        (f"D:P(A;;FA;;;{OWN})(A;;FA;;;SY)(A;;FA;;;BA)", [], []),
        (f"D:PAI(A;;FA;;;{OWN})(A;;0x1200a9;;;BU)", ["BU"], []),
        (f"D:AI(A;ID;FA;;;{OWN})(A;ID;0x1301bf;;;AU)", ["AU"], ["AU"]),
        ("D:(A;;FR;;;WD)", ["WD"], []),
        ("D:(A;;FW;;;S-1-5-21-9-9-9-500)", [], ["S-1-5-21-9-9-9-500"]),
        ("D:(D;;FA;;;WD)(A;;GA;;;WD)", ["WD"], ["WD"]),
        ("D:(A;;CCSWRPLO;;;BG)", ["BG"], []),
        ("D:(A;;SDWDWO;;;BG)", [], ["BG"]),
        ("D:P", [], []),
        ("D:NO_ACCESS_CONTROL", ["everybody"], ["everybody"]),
        ("", ["everybody"], ["everybody"]),
        ("O:BAG:BA", ["everybody"], ["everybody"]),
    ],
)
def test_who_else(descriptor: str, readers: list[str], writers: list[str]) -> None:
    assert strangers(descriptor, OWN, writing=False) == readers
    assert strangers(descriptor, OWN, writing=True) == writers


@pytest.mark.skipif(sys.platform != "win32", reason="access lists are Windows's")
def test_a_file_of_our_own(tmp_path: Path) -> None:
    if sys.platform == "win32":
        from bridge.windows_access import make_private, others  # noqa: PLC0415

        path = tmp_path / "mine"
        path.write_text("secret")
        make_private(path)
        assert others(path, writing=False) == []
        assert others(path, writing=True) == []
        assert path.read_text() == "secret"
