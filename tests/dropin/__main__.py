"""`python -m tests.dropin`: each documented example in a process of its own, against what it should print."""

from __future__ import annotations

import difflib
import sys
import tempfile
import time
from pathlib import Path

from tests.dropin.stage import examples, expected, run, stage


def main() -> int:
    """How many examples printed something else."""
    wrong = 0
    with tempfile.TemporaryDirectory() as folder, stage(Path(folder), "--held") as (_, bridge):
        for path in examples():
            begun_s = time.monotonic()
            printed = run([sys.executable, path], bridge.requests, Path(folder))
            differs = list(
                difflib.unified_diff(expected(path).splitlines(), printed.splitlines(), "expected", "printed", lineterm="")
            )
            wrong += bool(differs)
            print(
                f"{'differs' if differs else 'as expected':12} {time.monotonic() - begun_s:5.2f} s  {path.stem}", *differs, sep="\n"
            )
    print(f"{len(examples()) - wrong} passed, {wrong} failed")
    return wrong


if __name__ == "__main__":
    sys.exit(min(main(), 1))
