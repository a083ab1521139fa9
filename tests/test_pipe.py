"""The name of a terminal's pipe, and looks at pipes. What the real package does at them is shown by `tests/windows`."""

from __future__ import annotations

import re
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.terminal.pipe import PipeState, pipe_name, probe

SEEN = {
    r"C:\mt\terminal64.exe": "50B3789223E84607CDC16CB6F7EE9CD613F23ABEF30FD38552F39F926E07285E",
    r"C:\Program Files\MetaTrader 5\terminal64.exe": "781AEDD6B227148DB36F632AFAB710BBA441CCEA07ED9EF5BC7B94FAED25BD12",
    r"C:\Ünï\terminal64.exe": "CA86C674887845789AF8BCB03BCCE605139FB347B2862574E4FA3D024E9BCA80",
}
"""What MetaTrader5 5.0.6231 opened when it was given the path of an existing file."""


@pytest.mark.parametrize("path", SEEN)
def test_names_that_the_package_opened(path: str) -> None:
    assert pipe_name(path) == "\\\\.\\pipe\\MT5.Terminal." + SEEN[path]


def test_a_path_in_its_long_form_is_the_same_path() -> None:
    assert pipe_name("\\\\?\\C:\\mt\\terminal64.exe") == pipe_name(r"c:\MT\Terminal64.EXE")
    assert pipe_name("\\\\?\\UNC\\server\\share\\terminal64.exe") == pipe_name(r"\\SERVER\share\terminal64.exe")
    assert pipe_name(r"C:\mt\terminal64.exe") != pipe_name(r"D:\mt\terminal64.exe")


@settings(deadline=None, max_examples=100)
@given(st.text(st.characters(exclude_characters="\0"), max_size=40))
def test_every_path_has_a_name_of_its_own_kind(text: str) -> None:
    name = pipe_name("C:\\" + text)
    assert re.fullmatch(r"\\\\\.\\pipe\\MT5\.Terminal\.[0-9A-F]{64}", name)
    assert name == pipe_name("c:\\" + text)


def test_a_letter_without_one_small_letter_stays() -> None:
    assert pipe_name("C:\\İ\\terminal64.exe") != pipe_name("C:\\i̇\\terminal64.exe")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has such pipes")
def test_there_are_no_such_pipes_elsewhere() -> None:
    with pytest.raises(OSError, match="only Windows"):
        probe(pipe_name(r"C:\mt\terminal64.exe"))


@pytest.mark.skipif(sys.platform != "win32", reason="only Windows has such pipes")
def test_a_terminal_that_does_not_run_has_no_pipe() -> None:
    assert probe(pipe_name(r"C:\nowhere\terminal64.exe")) is PipeState.ABSENT
