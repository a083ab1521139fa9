from __future__ import annotations

from bridge.messages import Hello
from bridge.peers import PeerTable


def hello(client_id: str = "c1", name: str = "strategy") -> Hello:
    return Hello(name, client_id, pid=7, host="here")


def names(table: PeerTable) -> set[str]:
    return {peer.client_id for peer in table}


def test_a_client_is_known_by_its_id_and_counted_on() -> None:
    table = PeerTable()
    peer = table.hello(hello(), 1.0)
    peer.requests = 5
    again = table.hello(hello(name="renamed"), 2.0)
    assert again is peer
    assert (peer.name, peer.seen_s, peer.requests, len(table)) == ("renamed", 2.0, 5, 1)
    assert table.find("c1", 3.0) is peer
    assert peer.seen_s == 3.0
    assert table.find("c2", 3.0) is None
    assert table.find(None, 3.0) is None


def test_status_tells_what_is_known() -> None:
    peer = PeerTable().hello(hello(), 1.0)
    peer.requests, peer.orders_done, peer.orders_failed = 3, 2, 1
    told = peer.status(2.5)
    assert (told.name, told.pid, told.host, told.subscribed, told.seen_age_ms) == ("strategy", 7, "here", False, 1_500)
    assert (told.requests, told.orders_done, told.orders_failed) == (3, 2, 1)


def test_a_silent_client_without_events_is_forgotten_after_a_while() -> None:
    table = PeerTable(silent_after_s=60.0)
    table.hello(hello(), 0.0)
    assert table.expire(59.9) == []
    assert [peer.client_id for peer in table.expire(60.0)] == ["c1"]
    assert len(table) == 0


def test_a_silent_client_with_events_stays() -> None:
    table = PeerTable()
    table.hello(hello(), 0.0)
    table.subscribed("c1", 0.0)
    assert table.expire(1e6) == []


def test_a_client_whose_events_went_is_gone_soon() -> None:
    table = PeerTable(gone_after_s=5.0)
    table.hello(hello(), 0.0)
    table.subscribed("c1", 1.0)
    table.unsubscribed("c1", 10.0)
    assert table.expire(14.9) == []
    assert len(table.expire(15.0)) == 1


def test_a_client_that_still_asks_is_not_gone() -> None:
    table = PeerTable(gone_after_s=5.0)
    table.hello(hello(), 0.0)
    table.subscribed("c1", 1.0)
    table.unsubscribed("c1", 10.0)
    table.find("c1", 14.0)
    assert table.expire(15.0) == []
    assert len(table.expire(19.0)) == 1


def test_a_client_that_comes_back_in_time_was_never_gone() -> None:
    table = PeerTable(gone_after_s=5.0)
    table.hello(hello(), 0.0)
    table.subscribed("c1", 1.0)
    table.unsubscribed("c1", 10.0)
    table.subscribed("c1", 12.0)
    assert table.expire(1e6) == []


def test_two_event_connections_of_one_client_are_counted() -> None:
    table = PeerTable()
    table.subscribed("c1", 0.0)
    table.subscribed("c1", 0.0)
    peer = table.hello(hello(), 0.0)
    assert peer.subscribed
    table.unsubscribed("c1", 1.0)
    assert peer.subscribed
    table.unsubscribed("c1", 1.0)
    assert not peer.subscribed


def test_events_before_hello_count_and_goodbye_forgets() -> None:
    table = PeerTable()
    table.subscribed("c1", 0.0)
    assert table.hello(hello(), 1.0).subscribed
    table.goodbye("c1")
    table.goodbye("c1")
    table.goodbye(None)
    assert names(table) == set()
    assert table.hello(hello(), 2.0).subscribed


def test_the_longest_silent_client_makes_room() -> None:
    table = PeerTable(limit=3)
    for number in range(3):
        table.hello(hello(f"c{number}"), float(number))
    table.subscribed("c0", 3.0)
    table.hello(hello("c3"), 4.0)
    assert names(table) == {"c0", "c2", "c3"}


def test_the_limit_holds_even_if_everybody_listens() -> None:
    table = PeerTable(limit=3)
    for number in range(10):
        table.hello(hello(f"c{number}"), float(number))
        table.subscribed(f"c{number}", float(number))
    assert len(table) == 3
