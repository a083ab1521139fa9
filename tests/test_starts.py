"""Very many streams are started a few at a time, and who comes behind a flood of them does not wait for it."""

from __future__ import annotations

from bridge.errors import UnknownSymbol
from bridge.messages import GetSnapshot
from bridge.session import link
from bridge.starts import AT_ONCE
from bridge.topics import Stream
from tests.scripted_session import Bench, attached, health, ticks

FLOOD = 5_000


class Slow(Bench):
    """A session that answers one start in each `step`; only names that begin with S are symbols."""

    def __init__(self) -> None:
        super().__init__()
        self.connect()
        self.waiting: list[str] = []
        self.most = 0
        self.answers = self._hear

    def _hear(self, message: link.ToSession) -> list[link.FromSession]:
        if isinstance(message, link.StartStream):
            self.waiting.append(message.topic)
            self.most = max(self.most, len(self.waiting))
        elif isinstance(message, link.StopStream):
            self.waiting = [topic for topic in self.waiting if topic != message.topic]
            return [link.Stopped(message.topic)]
        return []

    def step(self) -> str:
        topic = self.waiting.pop(0)
        symbol = topic.partition(":")[2]
        fine = symbol[:1] in ("S", "*")
        self.say(
            link.Started(topic, None) if fine else link.not_started(topic, UnknownSymbol(f"no symbol {symbol}", symbol=symbol))
        )
        return topic

    def flood(self, count: int = FLOOD) -> None:
        for number in range(count):
            self.subscribe(f"tick:X{number}\0")


def test_the_session_has_few_starts_before_it_and_another_client_is_served_in_between() -> None:
    bench = Slow()
    bench.flood()
    assert len(bench.waiting) == AT_ONCE
    bench.subscribe("tick:S1\0")
    bench.ask(GetSnapshot(("tick:S1", "bar:S2:M1")))
    answered = [bench.step() for _ in range(AT_ONCE + 4)]
    assert {"tick:S1", "bar:S2:M1"} <= set(answered)
    assert [topic.pending for topic in bench.result(GetSnapshot).topics] == [False, False]
    while bench.waiting:
        bench.step()
    assert bench.most == AT_ONCE
    assert {topic.stream for topic in bench.gateway.topics if topic.name.startswith("tick:X")} == {Stream.FAILED}


def test_many_failures_are_one_event_in_a_second() -> None:
    bench = Slow()
    bench.healthy()
    bench.flood()
    for _ in range(5):
        for _ in range(FLOOD // 5):
            bench.step()
        bench.run(1.0)
    told = [record.message for record in bench.bodies("log")]
    assert told[0] == "cannot stream tick:X0: no symbol X0"
    assert len(told) == 6
    counts = [int(message.split()[2].replace(",", "")) for message in told[1:]]
    assert sum(counts) == FLOOD - 1
    assert all("more topics; the last of them is tick:X" in message for message in told[1:])
    bench.run(2.0)
    bench.subscribe("tick:Y\0")
    bench.step()
    assert bench.bodies("log")[-1].message == "cannot stream tick:Y: no symbol Y", "by itself again"
    bench.run(5.0)
    assert len(bench.bodies("log")) == 7


def test_what_nobody_wants_any_more_is_not_started_and_nothing_stays_of_it() -> None:
    bench = Slow()
    bench.healthy()
    bench.flood()
    for number in range(FLOOD):
        bench.unsubscribe(f"tick:X{number}\0")
    bench.run(8.0)
    assert [topic.name for topic in bench.gateway.topics if topic.name.startswith("tick:X")] == []
    starts = bench.gateway._streams._starts
    assert (len(starts), starts.under_way, bench.waiting) == (0, 0, [])
    assert bench.most == AT_ONCE
    bench.subscribe("tick:S1\0")
    assert bench.waiting == ["tick:S1"]


def test_of_a_stream_that_could_not_start_the_session_is_not_told_the_end() -> None:
    bench = Slow()
    bench.healthy()
    bench.subscribe("tick:X\0")
    bench.step()
    bench.unsubscribe("tick:X\0")
    bench.run(8.0)
    assert bench.streams() == ["+tick:X"]


def test_a_new_session_is_asked_first_for_what_goes_on_and_has_few_before_it_too() -> None:
    bench = Slow()
    bench.subscribe("tick:")
    bench.flood(200)
    while bench.waiting:
        bench.step()
    names = [f"tick:S{number}" for number in range(100)]
    bench.say(link.Publish([(name, 0, ticks(1.0)) for name in names]))
    bench.exit()
    bench.run(1.0)
    bench.said.clear()
    bench.waiting.clear()
    bench.say(link.Ready("token", 1), attached(), health())
    while bench.waiting:
        bench.step()
    asked = [message for message in bench.said if isinstance(message, link.StartStream)]
    assert [message.topic for message in asked[:100]] == names
    assert all(message.resume == ticks(1.0) for message in asked[:100])
    assert "tick:*" in [message.topic for message in asked[100 : 100 + AT_ONCE + 2]], "it does not wait for all the others"
    assert len(asked) == 301
    assert bench.most == AT_ONCE
