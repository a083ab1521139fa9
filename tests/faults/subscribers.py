"""The subscribers of a fault run: processes with the client library, and what they have to say."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from array import array
from collections.abc import Callable, Mapping
from pathlib import Path

from bridge.children import own_group
from tests.processes import PATIENCE_S, environment
from tests.receiver import Part


class Subscriber:
    """`python -m tests.receiver`. `progress` says when (monotonic seconds) it got how far: for each topic the server time of its
    last tick (ms) or bar (s)."""

    def __init__(self, folder: Path, endpoint: str, topics: tuple[str, ...], rejoin: int | None = None) -> None:
        """With `rejoin`, a seed, it subscribes again and again."""
        folder.mkdir()
        self.progress: list[tuple[float, tuple[int, ...]]] = []
        self.lines = 0
        self._topics = topics
        self._folder = folder
        self._news = threading.Condition()
        self._errors = folder / "errors.txt"
        again = [] if rejoin is None else ["--rejoin", str(rejoin)]
        with self._errors.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.receiver", *again, endpoint, str(folder), *topics],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment(), **own_group(),
            )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            words = line.split()
            with self._news:
                self.lines += 1
                if len(words) == 1 + len(self._topics) > 1:
                    newest = tuple(map(int, words[1:]))
                    if not self.progress or newest != self.progress[-1][1]:
                        self.progress.append((float(words[0]), newest))
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def ready(self) -> None:
        """Wait until it is subscribed."""
        self._until(lambda: self.lines > 0, PATIENCE_S, "did not subscribe")

    def reached(self, places: Mapping[str, int], limit_s: float) -> float:
        """Wait until it is so far in these topics; when it was. Raises `AssertionError`."""
        wanted = [(self._topics.index(topic), place) for topic, place in places.items()]

        def there(newest: tuple[int, ...]) -> bool:
            return all(newest[at] >= place for at, place in wanted)

        looked = 0

        def happened() -> bool:
            nonlocal looked
            while looked < len(self.progress) and not there(self.progress[looked][1]):
                looked += 1
            return looked < len(self.progress)

        self._until(happened, limit_s, f"did not get to {dict(places)} in {limit_s:g} s; it is at {self.progress[-1:]}")
        return self.progress[looked][0]

    def _until(self, happened: Callable[[], bool], limit_s: float, otherwise: str) -> None:
        until_s = time.monotonic() + limit_s
        with self._news:
            while not happened():
                left_s = until_s - time.monotonic()
                if left_s <= 0 or not self._reader.is_alive():
                    raise AssertionError(f"{self._folder.name} {otherwise}; it says: {self.said() or 'nothing'}")
                self._news.wait(min(left_s, 0.5))

    def said(self) -> str:
        """The end of its standard error."""
        return self._errors.read_text(encoding="utf-8")[-2_000:]

    def finish(self) -> list[Part]:
        """Have it take what is still coming, and end; everything that it received. Raises `AssertionError`."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write("end\n")
            self.process.stdin.close()
            status = self.process.wait(PATIENCE_S)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise AssertionError(f"{self._folder.name} does not end: {error} {self.said()}") from None
        assert status == 0, f"{self._folder.name} ended with status {status}: {self.said()}"
        received = json.loads(self._folder.joinpath("received.json").read_text(encoding="utf-8"))
        return [Part(**part) for part in received]

    def lateness(self) -> list[tuple[float, float]]:
        """After the end: when live events came (monotonic seconds), and how late (ms)."""
        found = array("d")
        found.frombytes(self._folder.joinpath("lateness.bin").read_bytes())
        return list(zip(found[::2], found[1::2], strict=True))

    def kill(self) -> None:
        """End it outright."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    continue
