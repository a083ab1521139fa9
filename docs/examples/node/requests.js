/** Requests and their replies: one DEALER socket, the bridge's clock, and who waits for which answer (docs/protocol.md, "Requests"). */

import { randomBytes } from "node:crypto";
import * as zmq from "zeromq";

import { notAllowed } from "./keys.js";
import { BridgeError, Unreadable, packRequest, readReply } from "./messages.js";

/** Answered at once, without a deadline. */
const AT_ONCE = /^(hello|goodbye|ping|status|connection_history|reconnect|halt|resume|limits|replay)$/;
const GRACE_MS = 1000;
/** What both sockets have, see "Sockets". */
export const OPTIONS = {
  linger: 0,
  maxMessageSize: 16777216,
  reconnectInterval: 100,
  reconnectMaxInterval: 5000,
  tcpKeepalive: 1,
  tcpKeepaliveIdle: 3,
  tcpKeepaliveInterval: 1,
  tcpKeepaliveCount: 3,
};
/** Only where nothing bounds what is read. */
const HEARTBEATS = { heartbeatInterval: 1000, heartbeatTimeout: 3000, heartbeatTimeToLive: 3000, receiveHighWaterMark: 0 };
/** So often the handshake has to fail without a word until that means something: a bridge that ends does that too. */
const CUTS = 2;

/** @typedef {{id?: string, timeoutMs?: number}} How  the request's id, and how long it may take */
/** @typedef {{epoch: number, result: any}} Answer */
/** @typedef {{content: string, done: (reply: any) => void, promise: Promise<any>}} Waiting */

export function newId() {
  return randomBytes(16).toString("hex");
}

export class Requests {
  // Without `immediate` requests would wait for a bridge to come up, and an old order would arrive late.
  #dealer;
  /** @type {Map<string, Waiting>} */
  #waiting = new Map();
  /** Orders without an answer: a late one must not be taken for that of another content. @type {Map<string, string>} */
  #unanswered = new Map();
  /** @type {Promise<unknown>} */
  #sending = Promise.resolve();
  /** The bridge's clock minus this process's in ms, once a reply has told it. @type {number | null} */
  ahead = null;
  closed = false;
  /** Why the bridge does not let us in, until it does. @type {BridgeError | null} */
  #shutOut = null;

  /** @param {string} endpoint @param {string} client @param {import("./keys.js").Lock | {}} lock */
  constructor(endpoint, client, lock) {
    this.endpoint = endpoint;
    this.client = client;
    this.#dealer = new zmq.Dealer({ ...OPTIONS, ...HEARTBEATS, ...lock, immediate: true, sendTimeout: 0 });
    this.#watch("curveServerKey" in lock);
    this.#dealer.connect(endpoint);
  }

  /** See whether the handshake succeeds. @param {boolean} locked */
  #watch(locked) {
    let cuts = 0;
    const { events } = this.#dealer;
    events.on("handshake", () => {
      cuts = 0;
      this.#shutOut = null;
    });
    for (const type of /** @type {const} */ (["handshake:error:auth", "handshake:error:protocol", "handshake:error:other"]))
      events.on(type, () => {
        if (type === "handshake:error:other" && (!locked || (cuts += 1) < CUTS)) return;
        this.#shutOut = notAllowed(this.endpoint, type, locked);
        // What waits has not left this process: nothing is sent before a handshake.
        if (this.ahead === null) for (const { done } of this.#waiting.values()) done({ failure: this.#shutOut });
      });
  }

  /** Take replies until it is closed. @param {(epoch: number) => boolean} known the run of the bridge; whether it is not a former one
   * @param {(error: Unreadable) => void} report */
  async receive(known, report) {
    for await (const frames of this.#dealer) {
      try {
        if (frames.length !== 1) throw new Unreadable("a reply of more than one frame");
        const reply = readReply(frames[0]);
        if (known(reply.epoch)) this.ahead = reply.time_msc - performance.now();
        this.#unanswered.delete(reply.id);
        this.#waiting.get(reply.id)?.done(reply); // nobody waits for one that comes late or twice
      } catch (error) {
        if (!(error instanceof Unreadable)) throw error;
        report(error);
        if (error.code === "wrong_protocol") this.#refuse(error);
      }
    }
  }

  /** Ask, and wait for the answer. @param {string} method @param {object} params @param {How} how @returns {Promise<Answer>} */
  async ask(method, params, { id = newId(), timeoutMs = 10000 }) {
    if (this.closed) throw made("call_error", "fix", "the client is closed", "connect again", id);
    const deadline_msc = AT_ONCE.test(method) ? undefined : Math.floor(performance.now() + (this.ahead ?? 0) + timeoutMs);
    const content = JSON.stringify([method, params], (_, value) => (typeof value === "bigint" ? `${value}` : value));
    const other = this.#waiting.get(id);
    if (other?.content === content) return answered(await other.promise);
    if (other || (this.#unanswered.get(id) ?? content) !== content)
      throw made("id_reused", "fix", `${id} belongs to a request that is not answered yet`, "make a new id for each new order", id);

    const frame = packRequest({ id, method, params, deadline_msc, client: this.client });
    let done = (/** @type {any} */ _reply) => {};
    const promise = new Promise((resolve) => (done = resolve));
    this.#waiting.set(id, { content, done, promise });
    const timer = setTimeout(
      () => {
        if (method === "order") this.#unanswered.set(id, content);
        done({ failure: silent(method, id, timeoutMs) });
      },
      timeoutMs + (deadline_msc === undefined ? 0 : GRACE_MS),
    );
    this.#sending = this.#sending
      .then(() => this.#dealer.send(frame))
      .catch(() => done({ failure: this.#shutOut ?? unreachable(this.endpoint, id) }));
    try {
      return answered(await promise);
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(id);
    }
  }

  /** Who waits still has no answer: an order may have been executed. */
  close() {
    this.closed = true;
    for (const [id, { content, done }] of this.#waiting) done({ failure: silent(JSON.parse(content)[0], id, 0) });
    this.#dealer.close();
  }

  /** A reply of another version: who waits is told, unless it is an order, which may have been executed. @param {Unreadable} error */
  #refuse(error) {
    const waiting = this.#waiting.get(error.id);
    if (!waiting || waiting.content.startsWith('["order"')) return;
    waiting.done({ failure: made("wrong_protocol", "fix", error.message, "use the same release on both sides", error.id) });
  }
}

/** An error of the client's own. @param {string} code @param {import("./messages.js").Action} action @param {string} message
 * @param {string} [next_step] @param {string} [id] */
export function made(code, action, message, next_step, id) {
  return new BridgeError({ code, action, message, next_step }, id);
}

/** @param {string} endpoint @param {string} [id] */
export function unreachable(endpoint, id) {
  return made(
    "bridge_unreachable",
    "retry",
    `no bridge answers at ${endpoint}`,
    "start the bridge, check the endpoint; nothing was sent",
    id,
  );
}

/** No reply came in time. @param {string} method @param {string} id @param {number} timeoutMs */
function silent(method, id, timeoutMs) {
  const message = `no answer to ${method} within ${timeoutMs} ms`;
  if (method !== "order") return made("timed_out", "retry", message, "call again, with more time", id);
  const next = "look at positions, orders and deals, or repeat it with the same id; never send it with a new id before";
  return made("outcome_unknown", "look", message, next, id);
}

/** @param {any} reply @returns {Answer} */
function answered(reply) {
  if (reply.failure) throw reply.failure;
  if (reply.error) throw new BridgeError(reply.error, reply.id);
  return reply;
}
