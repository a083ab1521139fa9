import assert from "node:assert/strict";
import { test } from "node:test";

import { Stream } from "../stream.js";

const TOPIC = "tick:EURUSD";
const event = (sequence, epoch = 1, topic = TOPIC) => ({ topic, epoch, sequence, time_us: 0, flags: 0, body: sequence });
const state = (sequence, body = `state ${sequence}`) => ({ topic: TOPIC, sequence, pending: false, flags: 0, body });
const told = (items) =>
  items.map(({ kind, sequence, first, last, replayed }) =>
    kind === "gap" ? `gap ${first}-${last}` : `${kind} ${sequence}${replayed ? " replayed" : ""}`,
  );
const joined = (last, topic = TOPIC) => {
  const stream = new Stream(topic);
  stream.join(1, { ...state(last), topic });
  return stream;
};

test("the snapshot comes first, what it includes is dropped, the rest follows", () => {
  const stream = new Stream(TOPIC);
  for (const sequence of [40, 41, 42, 43]) assert.deepEqual(stream.accept(event(sequence)), []);
  assert.deepEqual(told(stream.join(1, state(41))), ["snapshot 41", "event 42", "event 43"]);
  assert.deepEqual(told(stream.accept(event(44))), ["event 44"]);
});

test("a snapshot without a state is no state", () => {
  assert.deepEqual(told(new Stream(TOPIC).join(1, state(0, null))), []);
});

test("a duplicate is dropped", () => {
  const stream = joined(5);
  assert.deepEqual(stream.accept(event(5)), []);
  assert.equal(stream.missing, null);
});

test("a gap is healed by a replay, in order, and what came meanwhile follows", () => {
  const stream = joined(5);
  assert.deepEqual(stream.accept(event(8)), []);
  assert.deepEqual(stream.missing, { first: 6, last: 7 });
  assert.deepEqual(stream.accept(event(9)), []);
  const items = stream.replayed({ first: 6, last: 7 }, { first: 6, missing: 0 }, [event(6), event(7), event(8)]);
  assert.deepEqual(told(items), ["event 6 replayed", "event 7 replayed", "event 8 replayed", "event 9"]);
  assert.equal(stream.missing, null);
});

test("what is missing beyond one reply is asked for again", () => {
  const stream = joined(5);
  stream.accept(event(9));
  assert.deepEqual(told(stream.replayed({ first: 6, last: 8 }, { first: 6, missing: 0 }, [event(6)])), ["event 6 replayed"]);
  assert.deepEqual(stream.missing, { first: 7, last: 8 });
});

test("what is not kept any more is a gap with its count", () => {
  const stream = joined(5);
  stream.accept(event(9));
  const items = stream.replayed({ first: 6, last: 8 }, { first: 8, missing: 2 }, [event(8)]);
  assert.deepEqual(told(items), ["gap 6-7", "event 8 replayed", "event 9"]);
  assert.equal(items[0].count, 2);
});

test("a reply that helps nothing ends in a gap, not in asking for ever", () => {
  const stream = joined(5);
  stream.accept(event(8));
  assert.deepEqual(told(stream.replayed({ first: 6, last: 7 }, { first: 6, missing: 0 }, [event(6, 2)])), ["gap 6-7", "event 8"]);
});

test("two gaps at once are asked for one after the other", () => {
  const stream = joined(5);
  stream.accept(event(7));
  stream.accept(event(9));
  assert.deepEqual(told(stream.replayed({ first: 6, last: 6 }, { first: 6, missing: 0 }, [event(6)])), [
    "event 6 replayed",
    "event 7",
  ]);
  assert.deepEqual(stream.missing, { first: 8, last: 8 });
});

test("what a heartbeat tells is missing when the next one comes", () => {
  const stream = joined(5);
  stream.heartbeat(7);
  assert.equal(stream.missing, null);
  stream.accept(event(6));
  stream.heartbeat(8);
  assert.deepEqual(stream.missing, { first: 7, last: 7 });
});

test("of a topic whose newest state says all a gap and a snapshot are told", () => {
  const stream = joined(5, "account");
  stream.accept(event(9, 1, "account"));
  assert.deepEqual(stream.replayed({ first: 6, last: 8 }, { first: 9, missing: 3 }, []), []);
  assert.ok(stream.joining);
  stream.accept(event(10, 1, "account"));
  assert.deepEqual(told(stream.join(1, { ...state(9), topic: "account" })), ["gap 6-9", "snapshot 9", "event 10"]);
});

test("another epoch is a gap of unknown size, and begins with its snapshot", () => {
  const stream = joined(5);
  stream.rejoin();
  stream.accept(event(1, 2));
  stream.accept(event(2, 2));
  assert.deepEqual(told(stream.join(2, state(1))), ["gap null-null", "snapshot 1", "event 2"]);
  assert.deepEqual(stream.accept(event(6, 1)), []);
});

test("a snapshot of the same epoch goes on where the stream was", () => {
  const stream = joined(5);
  stream.rejoin();
  assert.deepEqual(stream.join(1, state(7)), []);
  assert.deepEqual(stream.missing, { first: 6, last: 7 });
});

test("a topic that is only followed begins with the first event", () => {
  const stream = new Stream(TOPIC, true);
  assert.deepEqual(told(stream.accept(event(7))), ["event 7"]);
  stream.accept(event(9));
  assert.deepEqual(stream.missing, { first: 8, last: 8 });
  stream.rejoin();
  assert.deepEqual(told(stream.accept(event(3, 2))), ["gap null-null", "event 3"]);
});

test("what is open is asked for again while the stream of trade does not run", () => {
  const stream = new Stream("trade");
  assert.deepEqual(stream.join(1, { topic: "trade", sequence: 0, pending: true, flags: 0, body: null }), []);
  assert.ok(stream.joining);
  assert.deepEqual(told(stream.join(1, { ...state(0), topic: "trade" })), ["snapshot 0"]);
});
