/** A client of the bridge: requests, and topics whose events come complete, in order and once.
 *
 * Written from docs/protocol.md. Sequences are in stream.js, replies in requests.js, bytes in messages.js and records.js. */

import { randomBytes } from "node:crypto";
import { EventEmitter } from "node:events";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import * as zmq from "zeromq";

import { lock } from "./keys.js";
import { BridgeError, Unreadable, readEvent } from "./messages.js";
import { BAR, TICK, recordsOf, rows } from "./records.js";
import { OPTIONS, Requests, made, newId, unreachable } from "./requests.js";
import { Stream } from "./stream.js";

export { BridgeError, newId };

/** @typedef {import("./stream.js").Delivered | import("./stream.js").State | import("./stream.js").Gap} Item */
/** @typedef {(item: Item & {records?: any[]}) => void} Handler  records: ticks or bars of the item's body */
/** @typedef {{stream: Stream, handler: Handler, healing: boolean}} Known */
/** @typedef {{name?: string, timeoutMs?: number, key?: string, serverKey?: string}} Options
 *  name: what the bridge's status shows; timeoutMs: how long a call may take; key: file with this client's key, serverKey: the
 *  bridge's public key, both for a bridge that asks for keys */

const RETRY_MS = 200;
const PENDING_MS = 500;
const PROOF_MS = 2000;
const HEARTBEATS = 3;
const SUBSCRIBE = 1;
const UNSUBSCRIBE = 0;

/** Events of the client itself: "epoch" ({epoch, former}), "silence" and "alive" (no heartbeats, and again), "fault" (an Error:
 * something could not be read or joined, and the client goes on). */
export class Client extends EventEmitter {
  /** Connect and say hello; refused or without an answer within `timeoutMs`, this throws a BridgeError.
   * @param {string} endpoint of the requests, such as tcp://127.0.0.1:5555 @param {Options} [options] */
  static async connect(endpoint, options) {
    const client = new Client(endpoint, options);
    try {
      await client.#begin();
    } catch (error) {
      await client.close();
      throw error;
    }
    return client;
  }

  /** Which run of the bridge it is. @type {number | null} */
  epoch = null;
  /** The newest heartbeat. @type {any} */
  heartbeat = null;
  #clientId = randomBytes(8).toString("hex");
  #name;
  #timeoutMs;
  #requests;
  /** XSUB is SUB with a mark for sending that can be lifted: subscriptions travel in this direction. */
  #events;
  #eventsEndpoint = "";
  /** @type {Promise<unknown>} */
  #subscribing = Promise.resolve();
  #number = 0;
  /** How often the event connection was proven: a change means that it was lost. */
  #proofs = 0;
  /** @type {Map<string, () => void>} */
  #proven = new Map();
  /** @type {Map<string, Known>} */
  #topics = new Map();
  /** Prefixes. @type {Map<string, Handler>} */
  #followed = new Map();
  #former = new Set();
  #period = 1000;
  /** @type {NodeJS.Timeout | undefined} */
  #watch;
  #silent = false;
  #recovering = false;
  #recoverAgain = false;

  /** @param {string} endpoint @param {Options} [options] */
  constructor(endpoint, { name = "node", timeoutMs = 10000, key, serverKey } = {}) {
    super();
    const keys = lock(key, serverKey);
    this.#events = new zmq.XSubscriber({ ...OPTIONS, ...keys, receiveHighWaterMark: 100000, sendHighWaterMark: 0 });
    this.#name = name;
    this.#timeoutMs = timeoutMs;
    this.#requests = new Requests(endpoint, this.#clientId, keys);
  }

  /** Ask, and wait for the result. Errors are BridgeErrors: without an answer `timed_out`, or of an order `outcome_unknown`.
   * @param {string} method @param {object} [params] @param {import("./requests.js").How} [how] @returns {Promise<any>} */
  async request(method, params = {}, how = {}) {
    if (this.#requests.ahead === null) await this.#hello(how.timeoutMs); // a deadline is on the clock of this run of the bridge
    return (await this.#requests.ask(method, params, { timeoutMs: this.#timeoutMs, ...how })).result;
  }

  /** @returns {Promise<any>} the account, see "Account record" */
  account() {
    return this.request("account");
  }

  /** @param {{symbol?: string, ticket?: number | bigint, group?: string}} [filter] @returns {Promise<any[]>} open positions */
  async positions(filter = {}) {
    return (await this.request("positions", filter)).positions;
  }

  /** Bars, oldest first. @param {string} symbol @param {string} timeframe such as M5
   * @param {{count?: number, start?: number, from_s?: number, to_s?: number}} [range]
   * @returns {Promise<import("./records.js").Bar[]>} */
  async rates(symbol, timeframe, range = {}) {
    return rows((await this.request("rates", { symbol, timeframe, ...range })).records, BAR);
  }

  /** Ticks of the second `from_s` (server time) and later. @param {string} symbol @param {number} from_s @param {number} [count]
   * @returns {Promise<import("./records.js").Tick[]>} */
  async ticks(symbol, from_s, count = 20000) {
    return rows((await this.request("ticks", { symbol, from_s, count })).records, TICK);
  }

  /** The last tick. @param {string} symbol @returns {Promise<import("./records.js").Tick>} */
  async tick(symbol) {
    return rows((await this.request("tick", { symbol })).record, TICK)[0];
  }

  /** Send an order, once. The same `id` with the same content never sends a second one: after `outcome_unknown` call this again
   * with the id of the error. Never is it repeated by itself.
   * @param {object} request a TradeRequest @param {import("./requests.js").How} [how]
   * @returns {Promise<{id: string, outcome: "done" | "partial" | "placed" | "dry_run", result: any}>} */
  async order(request, { id = newId(), timeoutMs = 30000 } = {}) {
    return { id, ...(await this.request("order", { request }, { id, timeoutMs })) };
  }

  /** Join topics: the handler gets their state, then each event once and in order, and a gap wherever events are missing for good.
   * @param {string[]} topics @param {Handler} handler */
  async subscribe(topics, handler) {
    const twice = topics.find((topic) => this.#topics.get(topic)?.stream.followed === false);
    if (twice) throw made("call_error", "fix", `${twice} is subscribed already`, "unsubscribe it first");
    for (const topic of topics) {
      this.#topics.set(topic, { stream: new Stream(topic), handler, healing: false });
      this.#send(SUBSCRIBE, exact(topic));
    }
    try {
      await this.#join(topics, performance.now() + this.#timeoutMs);
    } catch (error) {
      this.unsubscribe(topics);
      throw error;
    }
  }

  /** @param {string[]} topics */
  unsubscribe(topics) {
    for (const topic of topics) if (this.#topics.delete(topic)) this.#send(UNSUBSCRIBE, exact(topic));
  }

  /** Follow every topic that begins with this, from its next event on; starts no streams but those of `tick:`.
   * @param {string} prefix @param {Handler} handler */
  follow(prefix, handler) {
    this.#followed.set(prefix, handler);
    this.#send(SUBSCRIBE, Buffer.from(prefix));
  }

  /** Say goodbye and end. */
  async close() {
    if (this.#requests.closed) return;
    clearTimeout(this.#watch);
    if (this.epoch !== null) await this.#requests.ask("goodbye", {}, { timeoutMs: 500 }).catch(() => {}); // only a courtesy
    this.#requests.close();
    this.#events.close();
  }

  async #begin() {
    void this.#requests.receive(
      (epoch) => this.#know(epoch),
      (error) => this.emit("fault", error),
    );
    void this.#receive();
    const until = performance.now() + this.#timeoutMs;
    const proven = this.#proof(`client:${this.#clientId}`, this.#timeoutMs);
    await this.#patient(() => this.#hello(until - performance.now()), until, "bridge_unreachable");
    if (!(await proven)) throw unreachable(this.#eventsEndpoint);
  }

  /** @param {number} [timeoutMs] */
  async #hello(timeoutMs = this.#timeoutMs) {
    const params = { name: this.#name, client_id: this.#clientId, pid: process.pid, host: hostname().slice(0, 64) };
    const { epoch, result } = await this.#requests.ask("hello", params, { timeoutMs });
    this.#former.delete(epoch); // who answers is there: an event that told another epoch came from elsewhere
    this.#know(epoch);
    this.#period = result.heartbeat_ms;
    const host = /^tcp:\/\/(.*):\d+$/.exec(this.#requests.endpoint)?.[1] ?? "127.0.0.1";
    const events = String(result.events).replace(/^tcp:\/\/(\*|0\.0\.0\.0):/, `tcp://${host}:`);
    if (events === this.#eventsEndpoint) return;
    if (this.#eventsEndpoint) this.#events.disconnect(this.#eventsEndpoint);
    else for (const topic of ["heartbeat", `client:${this.#clientId}`]) this.#send(SUBSCRIBE, exact(topic));
    this.#events.connect(events);
    this.#eventsEndpoint = events;
    this.#listen();
  }

  /** Wait for the event of a topic of this client; whether it came. @param {string} topic @param {number} timeoutMs
   *  @returns {Promise<boolean>} */
  #proof(topic, timeoutMs) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs, false);
      this.#proven.set(topic, () => (clearTimeout(timer), this.#proven.delete(topic), resolve(true)));
    });
  }

  /** Steps 2 to 4 of "Subscribe with a snapshot". @param {string[]} topics @param {number} [until] */
  async #join(topics, until = Infinity) {
    while (!this.#requests.closed) {
      const proofs = this.#proofs;
      const mine = `client:${this.#clientId}:${++this.#number}`;
      const proof = this.#proof(mine, PROOF_MS);
      this.#send(SUBSCRIBE, exact(mine));
      const proven = await proof;
      this.#send(UNSUBSCRIBE, exact(mine));
      if (!proven && performance.now() > until) throw unreachable(this.#eventsEndpoint);
      if (!proven) continue; // it was lost on the way, or the events cannot be reached now
      const reply = await this.#patient(() => this.#requests.ask("snapshot", { topics }, { timeoutMs: this.#timeoutMs }), until);
      if (reply.epoch !== this.epoch || proofs !== this.#proofs) continue;
      for (const snapshot of reply.result.topics) {
        const known = this.#topics.get(snapshot.topic);
        if (known?.stream.joining) this.#deliver(known, known.stream.join(reply.epoch, snapshot));
        if (known?.stream.joining) setTimeout(() => void this.#recover(), PENDING_MS).unref();
      }
      return;
    }
  }

  /** Try again while nothing speaks against it but that it cannot be done now. @template T @param {() => Promise<T>} attempt
   * @param {number} [until] @param {string} [code] only this error @returns {Promise<T>} */
  async #patient(attempt, until = Infinity, code) {
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        const again = error instanceof BridgeError && (code ? error.code === code : error.action === "retry");
        if (!again || this.#requests.closed || performance.now() > until) throw error;
        await sleep(RETRY_MS);
      }
    }
  }

  /** Hello, and all that waits for a snapshot: after another epoch, silence, or a gap that only a snapshot closes. */
  async #recover() {
    this.#recoverAgain = true;
    if (this.#recovering) return;
    this.#recovering = true;
    while (this.#recoverAgain && !this.#requests.closed) {
      this.#recoverAgain = false;
      try {
        await this.#hello();
        const topics = [...this.#topics.values()]
          .filter(({ stream }) => stream.joining && !stream.followed)
          .map(({ stream }) => stream.topic);
        if (topics.length) await this.#join(topics).catch(() => this.#joinEach(topics));
      } catch (error) {
        if (this.#requests.closed) break;
        if (!(error instanceof BridgeError && error.action === "retry")) this.emit("fault", error);
        this.#recoverAgain = true;
        await sleep(RETRY_MS);
      }
    }
    this.#recovering = false;
  }

  /** A snapshot fails as a whole: find the topics that cannot be had any more. @param {string[]} topics */
  async #joinEach(topics) {
    for (const topic of topics) {
      try {
        await this.#join([topic]);
      } catch (error) {
        if (this.#requests.closed || !(error instanceof BridgeError) || error.action !== "fix") throw error;
        const known = this.#topics.get(topic);
        this.unsubscribe([topic]);
        if (known) known.handler(known.stream.end());
        this.emit("fault", error);
      }
    }
  }

  /** Ask for what is missing until nothing is. @param {Known} known */
  async #heal(known) {
    const { stream } = known;
    known.healing = true;
    try {
      for (let asked; (asked = stream.missing) && !this.#requests.closed;) {
        const params = { topic: stream.topic, from_sequence: asked.first, to_sequence: asked.last };
        let items;
        try {
          const reply = await this.#patient(() => this.#requests.ask("replay", params, { timeoutMs: this.#timeoutMs }));
          if (reply.epoch !== stream.epoch) continue;
          items = stream.replayed(
            asked,
            reply.result,
            reply.result.events.flatMap((/** @type {Uint8Array} */ frame) => this.#read(frame)),
          );
        } catch (error) {
          if (this.#requests.closed) return;
          this.emit("fault", error);
          items = stream.unknown(asked);
        }
        this.#deliver(known, items);
      }
    } finally {
      known.healing = false;
    }
    if (stream.joining && !stream.followed) void this.#recover();
  }

  /** @param {Known} known @param {Item[]} items */
  #deliver(known, items) {
    for (const item of items) known.handler(item.kind === "gap" ? item : { ...item, records: recordsOf(item.topic, item.body) });
    if (!known.healing && known.stream.missing) void this.#heal(known);
  }

  /** @param {Uint8Array} frame @returns {import("./messages.js").Event[]} */
  #read(frame) {
    try {
      return [readEvent(frame)];
    } catch (error) {
      this.emit("fault", error);
      return [];
    }
  }

  async #receive() {
    for await (const frames of this.#events) for (const event of this.#read(frames[0])) this.#onEvent(event);
  }

  /** @param {import("./messages.js").Event} event */
  #onEvent(event) {
    const { topic, epoch } = event;
    if (!this.#know(epoch)) return;
    if (topic === "heartbeat") this.#onHeartbeat(event.body);
    if (topic.startsWith(`client:${this.#clientId}`)) {
      if (topic === `client:${this.#clientId}`) this.#proofs += 1;
      this.#proven.get(topic)?.();
    }
    const known = this.#topics.get(topic) ?? this.#meet(topic);
    if (known) this.#deliver(known, known.stream.accept(event));
  }

  /** A topic that is seen for the first time, of those that are followed. @param {string} topic @returns {Known | undefined} */
  #meet(topic) {
    const prefix = [...this.#followed.keys()].find((start) => topic.startsWith(start));
    if (prefix === undefined) return undefined;
    const known = { stream: new Stream(topic, true), handler: /** @type {Handler} */ (this.#followed.get(prefix)), healing: false };
    this.#topics.set(topic, known);
    return known;
  }

  /** Which run of the bridge it is: another one knows nothing of the former's sequences. @param {number} epoch
   * @returns {boolean} false: a former one, which is to be ignored */
  #know(epoch) {
    if (this.#former.has(epoch)) return false;
    const former = this.epoch;
    this.epoch = epoch;
    if (former === null || epoch === former) return true;
    this.#former.add(former);
    this.#requests.ahead = null;
    for (const { stream } of this.#topics.values()) stream.rejoin();
    this.emit("epoch", { epoch, former });
    void this.#recover();
    return true;
  }

  /** @param {any} heartbeat */
  #onHeartbeat(heartbeat) {
    this.heartbeat = heartbeat;
    this.#period = heartbeat.period_ms;
    this.#listen();
    if (this.#silent) {
      this.#silent = false;
      this.emit("alive");
    }
    for (const [topic, known] of this.#topics) {
      known.stream.heartbeat(heartbeat.sequences[topic] ?? 0);
      this.#deliver(known, []);
    }
  }

  /** No heartbeat for three periods: what is known is old; ask who is there, and where its events are, until one comes. */
  #listen() {
    clearTimeout(this.#watch);
    this.#watch = setTimeout(() => {
      if (!this.#silent) this.emit("silence");
      this.#silent = true;
      void this.#recover();
      this.#listen();
    }, HEARTBEATS * this.#period).unref();
  }

  /** @param {1 | 0} what @param {Buffer} prefix */
  #send(what, prefix) {
    this.#subscribing = this.#subscribing.then(async () => {
      if (!this.#requests.closed) await this.#events.send(Buffer.concat([Buffer.of(what), prefix]));
    });
  }
}

/** A subscription to this topic and no longer one. @param {string} topic */
function exact(topic) {
  return Buffer.from(`${topic}\0`);
}
