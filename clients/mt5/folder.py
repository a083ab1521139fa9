"""The folder that holds a package called MetaTrader5."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "path"
"""For PYTHONPATH: what is there comes before what is installed."""
