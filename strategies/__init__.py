"""Strategies on a bridge: subclass `Strategy`, give it parameters with `param`, end the file with `run(MyStrategy)`.

```python
from strategies import Strategy, param, run
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from strategies.param import param
from strategies.strategy import NotLive, Strategy

if TYPE_CHECKING:
    from strategies.commands import run

__all__ = ["NotLive", "Strategy", "param", "run"]


def __getattr__(name: str) -> Any:
    if name == "run":  # the command line imports this package: made when it is asked for
        from strategies.commands import run  # noqa: PLC0415

        return run
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
