import assert from "node:assert/strict";
import { test } from "node:test";

import { encode } from "@msgpack/msgpack";

import { packRequest, readEvent, readReply } from "../messages.js";
import { TICK, columns, rows } from "../records.js";

const bytes = (hex) => Uint8Array.from(Buffer.from(hex.replaceAll(/\s+/g, ""), "hex"));

/** The bytes of docs/protocol.md, "Bytes". */
const REQUEST = "84 a776657273696f6e 01 a26964 a131 a66d6574686f64 a470696e67 a6706172616d73 80";
const REPLY = `85 a776657273696f6e 01 a26964 a131 a565706f6368 cf0000018bcfe56800 a874696d655f6d7363 cf0000018bcfe56be8
  a6726573756c74 82 a57374617465 a9636f6e6e6563746564 ae73657373696f6e5f6167655f6d73 2a`;
const TICK_RECORD = `401d546500000000 9a9999999999f13f cdccccccccccf43f 0000000000000000 0000000000000000 7b4292d08b010000
  06000000 0000000000000000`;
const EVENT = `7469636b3a45555255534400 96 01 cf0000018bcfe56800 03 cf00060a24182d8240 00 c43c ${TICK_RECORD}`;

test("the request of the page", () => {
  assert.deepEqual(Uint8Array.from(packRequest({ id: "1", method: "ping", params: {} })), bytes(REQUEST));
});

test("the reply of the page", () => {
  const reply = readReply(bytes(REPLY));
  assert.deepEqual(reply.result, { state: "connected", session_age_ms: 42 });
  assert.equal(reply.epoch, 1700000000000);
  assert.equal(reply.time_msc, 1700000001000);
});

test("the event of the page", () => {
  const event = readEvent(bytes(EVENT));
  assert.deepEqual([event.topic, event.epoch, event.sequence, event.time_us], ["tick:EURUSD", 1700000000000, 3, 1700000001000000]);
  const tick = { time: 1700011328, bid: 1.1, ask: 1.3, last: 0, volume: 0, time_msc: 1700011328123, flags: 6, volume_real: 0 };
  assert.deepEqual(rows(event.body, TICK), [tick]);
  assert.deepEqual([...columns(event.body, TICK).time_msc], [1700011328123]);
});

test("a deadline is sent as a whole number, and a ticket above 2^53 comes back whole", () => {
  const frame = packRequest({ id: "1", method: "x", params: { ticket: 9223372036854775807n }, deadline_msc: 1700000001000 });
  const text = Buffer.from(frame).toString("hex");
  assert.ok(text.includes("0000018bcfe56be8"));
  const reply = { version: 1, id: "1", epoch: 1, time_msc: 2, result: { ticket: 9223372036854775807n, small: 7n } };
  assert.deepEqual(readReply(encode(reply, { useBigInt64: true })).result, { ticket: 9223372036854775807n, small: 7 });
});

test("what cannot be read is told, whatever it is", () => {
  const event = bytes(EVENT);
  const of = (values, topic = "log") => Buffer.concat([Buffer.from(`${topic}\0`), encode(values)]);
  const wrong = [
    [],
    event.subarray(0, 11),
    event.subarray(0, 20),
    event.subarray(0, event.length - 1),
    Buffer.from("\0x"),
    [255, 0, 144],
    of({}),
    of([]),
    of([1, 2, 3]),
    of([1, "a", 1, 1, 0, null]),
    of([1, 1, 0, 1, 0, null]),
    of([1, 1, 1, 1, 0, Buffer.alloc(59)], "tick:X"),
    Buffer.concat([event, Buffer.of(0)]),
  ];
  for (const frame of wrong)
    assert.throws(() => readEvent(Uint8Array.from(frame)), { name: "Unreadable", code: "malformed_message" });
  assert.throws(() => readEvent(of([2, 1, 1, 1, 0, null])), { code: "wrong_protocol" });
  assert.throws(() => readReply(encode({ version: 2, id: "1" })), { code: "wrong_protocol", id: "1" });
  for (const reply of [[], 1, null, {}, { version: 1, id: 1 }, { version: 1, id: "1", epoch: 1, time_msc: 1 }])
    assert.throws(() => readReply(encode(reply)), { code: "malformed_message" });
});

test("unknown fields and further elements are ignored", () => {
  const reply = { version: 1, id: "1", epoch: 1, time_msc: 2, result: null, later: 1 };
  assert.equal(readReply(encode(reply)).result, null);
  assert.equal(readEvent(Buffer.concat([Buffer.from("log\0"), encode([1, 1, 1, 1, 0, null, "later"])])).topic, "log");
});
