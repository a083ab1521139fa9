"""Draws the connection's table into the operator's page.

    python -m tests.state_diagram

Rewrites the diagram in `docs/operating.md`; `test_connection` fails while page and table differ.
"""

from __future__ import annotations

import re
from pathlib import Path

from bridge.connection import TRANSITIONS

PAGE = Path(__file__).parent.parent / "docs" / "operating.md"
DRAWN = re.compile(r"```mermaid\n.*?```", re.DOTALL)


def diagram() -> str:
    """The table as a Mermaid state diagram; triggers that lead the same way share an arrow."""
    lines = ["stateDiagram-v2", "    [*] --> stopped"]
    for state, row in TRANSITIONS.items():
        for to in dict.fromkeys(row.values()):
            triggers = ", ".join(trigger.value for trigger, leads in row.items() if leads is to)
            lines.append(f"    {state.value} --> {to.value}: {triggers}")
    return "```mermaid\n" + "\n".join(lines) + "\n```"


def main() -> None:
    """Rewrite the page."""
    page = PAGE.read_text("utf-8")
    PAGE.write_text(DRAWN.sub(lambda found: diagram(), page), "utf-8")


if __name__ == "__main__":
    main()
