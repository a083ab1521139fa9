"""What a client may subscribe to: names of topics, and how many of them."""

from __future__ import annotations

from collections.abc import Iterable

from bridge.errors import InvalidParameters

MAX_TOPIC_CHARS = 200
MAX_TOPICS = 2_000
"""Topics and prefixes of all subscriptions of one client together. 200,000 subscriptions of one subscriber have cost a publisher
1.8 GiB."""


def split_topics(topics: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Exact topics, and the prefixes that were given with a trailing `*`; each once, in order. Raises `InvalidParameters`."""
    exact: dict[str, None] = {}
    prefixes: dict[str, None] = {}
    for topic in topics:
        if not isinstance(topic, str) or not 0 < len(topic) <= MAX_TOPIC_CHARS or "\0" in topic or not topic.strip("*"):
            raise InvalidParameters(
                f"{topic!r} is not a topic",
                next_step="name topics like 'tick:EURUSD' or 'bar:EURUSD:M1', or a prefix like 'tick:*'",
                field="topics",
            )
        if topic.endswith("*"):
            prefixes[topic[:-1]] = None
        else:
            exact[topic] = None
    if not exact and not prefixes:
        raise InvalidParameters("no topic was given", next_step="name at least one, like 'tick:EURUSD'", field="topics")
    return tuple(exact), tuple(prefixes)


def check_number(wanted: int, present: int) -> None:
    """Raises `InvalidParameters` when there would be too many."""
    if wanted + present > MAX_TOPICS:
        raise InvalidParameters(
            f"{wanted} topics beside the {present} of this client are more than {MAX_TOPICS}; none of them was subscribed",
            next_step="follow a prefix like 'tick:*', or use several clients",
            field="topics",
            wanted=wanted,
            present=present,
            limit=MAX_TOPICS,
        )
