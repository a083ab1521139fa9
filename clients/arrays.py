"""History as numpy arrays of the terminal's own records, for programs that do without pandas: `bridge.arrays.rates(…)`."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol, TypeVar

from clients import downloads
from clients.parts import Download
from clients.tasks import async_download, download

T = TypeVar("T")


class Client(downloads.Knowing, Protocol):
    """A client that waits."""

    def fetch(self, download: Download[T]) -> T:
        """Go through a download."""


class AsyncClient(downloads.Knowing, Protocol):
    """A client of an event loop."""

    def fetch(self, download: Download[T]) -> Awaitable[T]:
        """Go through a download."""


class Arrays:
    """Bars and ticks in server time. The arrays are read-only and of one dimension; an empty one says that the terminal has nothing
    there, what failed is raised."""

    def __init__(self, client: Client) -> None:
        self.fetch = client.fetch
        self.bridge_msc = client.bridge_msc
        self.telling = client.telling

    rates, ticks = download(downloads.rates_array), download(downloads.ticks_array)


class AsyncArrays:
    """As `Arrays`, for `await`."""

    def __init__(self, client: AsyncClient) -> None:
        self.fetch = client.fetch
        self.bridge_msc = client.bridge_msc
        self.telling = client.telling

    rates, ticks = async_download(downloads.rates_array), async_download(downloads.ticks_array)
