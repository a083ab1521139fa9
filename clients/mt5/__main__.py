"""`python -m clients.mt5 --path`: the folder to put into PYTHONPATH, so that `import MetaTrader5` goes through the bridge."""

from __future__ import annotations

import argparse

from clients.mt5.folder import FOLDER


def main() -> None:
    """Print the folder."""
    parser = argparse.ArgumentParser(
        prog="python -m clients.mt5",
        description="A package called MetaTrader5 that works through a bridge. See also: mt5bridge run --help",
        epilog='example: PYTHONPATH="$(python -m clients.mt5 --path)" python program.py',
    )
    parser.add_argument("--path", action="store_true", required=True, help="print the folder that holds it, for PYTHONPATH")
    parser.parse_args()
    print(FOLDER)


if __name__ == "__main__":
    main()
