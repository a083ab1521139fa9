/** The bytes of requests, replies and events (docs/protocol.md, "Frames" and "Envelopes"). */

import { decode, encode } from "@msgpack/msgpack";

import { whole } from "./records.js";

export const VERSION = 1;
const NUL = 0;
const UTF8 = new TextDecoder("utf-8", { fatal: true });
const OPTIONS = {
  useBigInt64: true,
  mapKeyConverter: (/** @type {unknown} */ key) => {
    if (typeof key !== "string") throw new TypeError("a map has a key that is not text");
    return key;
  },
};

/** @typedef {"fix" | "retry" | "look" | "stop"} Action */

/** An error with all that the bridge told, or that this client made in its place. */
export class BridgeError extends Error {
  /** @param {{code: string, action: Action, message: string, next_step?: string, details?: Record<string, unknown>}} told
   *  @param {string} id of the request */
  constructor(told, id = "") {
    super(told.next_step ? `${told.message}; ${told.next_step}` : told.message);
    this.name = "BridgeError";
    this.code = told.code;
    /** What the caller should do: "fix", "retry", "look" or "stop". @type {Action} */
    this.action = told.action;
    this.told = told.message;
    this.next_step = told.next_step ?? "";
    this.details = told.details ?? {};
    this.id = id;
  }
}

/** Bytes that are no message of this protocol; `code` as the bridge would call it. */
export class Unreadable extends Error {
  /** @param {string} message @param {"malformed_message" | "wrong_protocol"} code */
  constructor(message, code = "malformed_message", id = "") {
    super(message);
    this.name = "Unreadable";
    this.code = code;
    this.id = id;
  }
}

/** msgpack's 64 bit numbers as numbers where these hold them exactly, else as bigint. @param {any} value @returns {any} */
function narrow(value) {
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }
  if (value === null || typeof value !== "object" || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return value.map(narrow);
  if (Object.getPrototypeOf(value) !== Object.prototype) throw new Unreadable("an extension type");
  for (const key of Object.keys(value)) value[key] = narrow(value[key]);
  return value;
}

/** Whole numbers of more than 32 bits as bigint: else they would be sent as floats. @param {any} value @returns {any} */
function widen(value) {
  if (Number.isSafeInteger(value) && (value > 0xffffffff || value < -0x80000000)) return BigInt(value);
  if (value === null || typeof value !== "object" || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return value.map(widen);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, widen(inner)]));
}

/** @param {Uint8Array} bytes @returns {any} */
function unpack(bytes) {
  try {
    return narrow(decode(bytes, OPTIONS));
  } catch (error) {
    throw new Unreadable(`the frame is not msgpack: ${/** @type {Error} */ (error).message}`);
  }
}

/** The frame of a request.
 * @param {{id: string, method: string, params: object, deadline_msc?: number, client?: string}} request */
export function packRequest(request) {
  return encode(widen({ version: VERSION, ...request }), { useBigInt64: true, ignoreUndefined: true });
}

/** A reply: its result or error, and when it was made on the bridge's clock.
 * @param {Uint8Array} frame
 * @returns {{id: string, epoch: number, time_msc: number, result: any, error: any}} */
export function readReply(frame) {
  const reply = unpack(frame);
  if (reply === null || typeof reply !== "object" || Array.isArray(reply) || typeof reply.id !== "string")
    throw new Unreadable("a reply is a map with an id");
  const { version, id, epoch, time_msc, result = null, error = null } = reply;
  if (version !== VERSION)
    throw new Unreadable(`a reply of protocol version ${version}; this client speaks ${VERSION}`, "wrong_protocol", id);
  if (!Number.isSafeInteger(epoch) || !Number.isSafeInteger(time_msc)) throw new Unreadable("a reply without epoch or time");
  if (error !== null && (typeof error.code !== "string" || typeof error.message !== "string"))
    throw new Unreadable("a reply whose error has no code or message");
  if (error === null && !("result" in reply)) throw new Unreadable("a reply with neither result nor error");
  return { id, epoch, time_msc, result, error };
}

/** @typedef {{topic: string, epoch: number, sequence: number, time_us: number, flags: number, body: any}} Event */

/** An event from its frame: topic, NUL, array.
 * @param {Uint8Array} frame @returns {Event} */
export function readEvent(frame) {
  const end = frame.indexOf(NUL);
  if (end < 1) throw new Unreadable("an event without a topic");
  let topic;
  try {
    topic = UTF8.decode(frame.subarray(0, end));
  } catch {
    throw new Unreadable("an event whose topic is not UTF-8");
  }
  const values = unpack(frame.subarray(end + 1));
  if (!Array.isArray(values) || values.length < 1) throw new Unreadable(`an event of ${topic} that is no array`);
  const [version, epoch, sequence, time_us, flags, body] = values;
  if (version !== VERSION)
    throw new Unreadable(`an event of ${topic} of protocol version ${version}; this client speaks ${VERSION}`, "wrong_protocol");
  if (values.length < 6 || ![epoch, sequence, time_us, flags].every(Number.isSafeInteger) || sequence < 1)
    throw new Unreadable(`an event of ${topic} without its elements`);
  if (/^(tick|bar|forming):/.test(topic) && !(whole(body) && body.length))
    throw new Unreadable(`an event of ${topic} without whole records`);
  return { topic, epoch, sequence, time_us, flags, body };
}
