"""Parameters of a strategy: class attributes with a type, a default and limits, which become command-line flags."""

from __future__ import annotations

import math
from typing import Any, Generic, TypeVar, cast, overload

from bridge.errors import InvalidParameters

T = TypeVar("T")


class Param(Generic[T]):
    """A parameter, as a descriptor: reading it on an instance gives the value, assigning checks it."""

    __slots__ = ("default", "help", "kind", "maximum", "minimum", "name")

    def __init__(self, default: T, kind: type, minimum: float | None, maximum: float | None, help_text: str) -> None:
        self.name = ""
        self.default = default
        self.kind = kind
        self.minimum = minimum
        self.maximum = maximum
        self.help = help_text

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        self.check(self.default)

    @overload
    def __get__(self, instance: None, owner: type) -> Param[T]: ...

    @overload
    def __get__(self, instance: object, owner: type) -> T: ...

    def __get__(self, instance: object | None, owner: type) -> Param[T] | T:
        return self if instance is None else cast(T, instance.__dict__.get(self.name, self.default))

    def __set__(self, instance: object, value: Any) -> None:
        instance.__dict__[self.name] = self.check(value)

    def check(self, value: Any) -> Any:
        """The value in the parameter's type. Raises `InvalidParameters` when it is of another type or out of range."""
        if value is None and self.default is None:
            return None
        wrong = isinstance(value, bool) != (self.kind is bool) or not isinstance(
            value, (float, int) if self.kind is float else self.kind
        )
        if wrong or (isinstance(value, float) and not math.isfinite(value)):
            raise InvalidParameters(f"{self.name} must be of type {self.kind.__name__}, not {value!r}", field=self.name)
        value = self.kind(value)
        if (self.minimum is not None and value < self.minimum) or (self.maximum is not None and value > self.maximum):
            raise InvalidParameters(f"{self.name} must be {self.limits}, not {value!r}", field=self.name)
        return value

    @property
    def limits(self) -> str:
        """The limits in words; empty when there are none."""
        words = [
            f"at least {self.minimum:g}" if self.minimum is not None else "",
            f"at most {self.maximum:g}" if self.maximum is not None else "",
        ]
        return " and ".join(filter(None, words))

    @property
    def flag(self) -> str:
        """The command-line flag."""
        return "--" + self.name.replace("_", "-")


def param(
    default: T,
    *,
    min: float | None = None,
    max: float | None = None,
    help: str = "",
    kind: type | None = None,
) -> T:
    """A parameter of a strategy: `fast = param(20, min=2, help="bars of the fast average")`.

    Its type is that of the default; a default of None (not given) needs `kind`. The class attribute is a `Param`, but reads as `T`.
    """
    if kind is None:
        if default is None:
            raise TypeError("a parameter whose default is None needs kind=")
        kind = type(default)
    return cast(T, Param(default, kind, min, max, help))


def params_of(owner: type) -> dict[str, Param[Any]]:
    """All parameters of a class by name, those of its bases first."""
    found: dict[str, Param[Any]] = {}
    for level in reversed(owner.__mro__):
        found |= {name: value for name, value in vars(level).items() if isinstance(value, Param)}
    return found
