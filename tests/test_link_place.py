"""Where the link to a session process is: in a folder of its own, gone once the process came; with keys where there is none."""

from __future__ import annotations

import stat
import sys
import tempfile
import time
from pathlib import Path

import pytest
import zmq

from bridge.link_place import private_place, remove
from bridge.session import link
from bridge.session.settings import SessionSettings
from bridge.sessions import Sessions

PATIENCE_S = 20.0
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no sockets of ZeroMQ in folders")


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made meanwhile."""
    short = Path(tempfile.mkdtemp(prefix="lp"))
    monkeypatch.setattr(tempfile, "tempdir", str(short))
    return short


@posix
def test_it_is_in_a_folder_that_nobody_else_may_enter(folder: Path) -> None:
    place = private_place()
    assert place is not None
    assert place.parent.parent == folder
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
    remove(place)
    assert list(folder.iterdir()) == []
    remove(place)  # as often as one likes


@posix
def test_no_place_where_none_can_be(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = folder / ("x" * 100)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    assert private_place() is None, "the path of a socket has about 100 bytes"
    assert list(deep.iterdir()) == []
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "absent"))
    assert private_place() is None
    monkeypatch.setattr(zmq, "has", lambda name: False)
    assert private_place() is None


def started(context: zmq.Context[zmq.Socket[bytes]]) -> Sessions:
    """A session process over a simulated terminal."""
    sessions = Sessions(context, SessionSettings("", "", "simulator"), thread=False)
    assert sessions.start(1) is None
    return sessions


def heard(sessions: Sessions) -> link.FromSession:
    """Its first message."""
    until_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < until_s:
        if sessions.link is not None and sessions.link.poll(100):
            for frame in sessions.receive(1):
                return link.from_session(frame)
    raise AssertionError("nothing was heard")


@posix
def test_a_session_process_comes_there_and_then_it_is_gone(folder: Path) -> None:
    with zmq.Context() as context:
        sessions = started(context)
        try:
            (place,) = folder.iterdir()
            assert [path.name for path in place.iterdir()] == ["link"]
            assert isinstance(heard(sessions), link.Ready)
            assert list(folder.iterdir()) == []
            sessions.send(link.pack(link.Connect(1)))
            assert heard(sessions), "who is connected stays so"
        finally:
            sessions.close()


@posix
def test_a_session_that_is_killed_before_it_came_leaves_nothing(folder: Path) -> None:
    with zmq.Context() as context:
        sessions = started(context)
        sessions.kill(1)
        assert list(folder.iterdir()) == []


def test_without_a_place_the_link_has_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.sessions.private_place", lambda: None)
    with zmq.Context() as context:
        sessions = started(context)
        try:
            assert sessions.link is not None
            endpoint = sessions.link.get_string(zmq.LAST_ENDPOINT)
            assert endpoint.startswith("tcp://127.0.0.1:")
            assert isinstance(heard(sessions), link.Ready)
        finally:
            sessions.close()


@posix
def test_who_comes_first_without_the_token_is_not_heard(folder: Path) -> None:
    """Only this user could; then there is no session until the bridge has replaced it, and nothing is believed."""
    with zmq.Context() as context, zmq.Context() as other:
        sessions = Sessions(context, SessionSettings("", "", "no_such_module:terminal"), thread=False)
        assert sessions.start(1) is None
        (place,) = folder.iterdir()
        with other.socket(zmq.PAIR) as forged:
            forged.linger = 0
            forged.connect(f"ipc://{place / 'link'}")
            forged.send(link.pack(link.Ready("0" * 32, 1)))
            assert sessions.link is not None
            assert sessions.link.poll(5_000)
            assert list(sessions.receive(1)) == []
            sessions.close()
        assert list(folder.iterdir()) == []
