"""Where the bridge's events are, as far as a client has to work that out. No I/O."""

from __future__ import annotations


def events_endpoint(requests: str, events: str) -> str:
    """Where to connect for events: as the bridge says, on the host of the requests where it only says `every address`."""
    scheme, _, address = events.partition("://")
    host, _, port = address.rpartition(":")
    if scheme != "tcp" or host not in ("*", "0.0.0.0", "[::]"):  # noqa: S104 - compared, not bound
        return events
    return f"tcp://{requests.partition('://')[2].rpartition(':')[0]}:{port}"
