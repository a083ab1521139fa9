"""A ZeroMQ bridge that shares one MetaTrader 5 account among many strategy processes."""

from bridge.version import __version__

__all__ = ["__version__"]
