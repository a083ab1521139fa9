/** This client as a program: one JSON object a line on standard input, what comes of it as JSON lines on standard output.
 *
 *     {"do": "connect", "endpoint": E, "name": N, "timeout_ms": T,
 *      "key": FILE, "server_key": PUBLIC}                            {"do": "subscribe", "topics": [...]}
 *     {"do": "request", "method": M, "params": {...}, "id": I}          {"do": "unsubscribe", "topics": [...]}
 *     {"do": "order", "request": {...}, "id": I, "timeout_ms": T}       {"do": "follow", "prefix": P}       {"do": "close"}
 *
 * Each is answered by {"result": ..., "ref": R} or {"error": {code, action, message, next_step, details, id}, "ref": R}, with the
 * command's own `ref`, in the order in which the answers come. What arrives by itself: {"snapshot": ...}, {"event": ...},
 * {"gap": ...}, {"epoch": ...}, {"silence": true}, {"alive": true}, {"fault": ...}. Bytes are told in hexadecimal, as {"hex": ...},
 * whole numbers above 2^53 as text. */

import { createInterface } from "node:readline";

import { BridgeError, Client } from "./client.js";

/** @type {Client | undefined} */
let client;

/** @param {object} told */
function tell(told) {
  const line = JSON.stringify(told, (_, value) => {
    if (typeof value === "bigint") return `${value}`;
    if (value?.type === "Buffer") return { hex: Buffer.from(value.data).toString("hex") };
    return value instanceof Uint8Array ? { hex: Buffer.from(value).toString("hex") } : value;
  });
  process.stdout.write(`${line}\n`);
}

/** @param {any} item */
function hand({ kind, ...item }) {
  tell({ [kind]: item });
}

/** @param {any} command @returns {Promise<any>} */
async function run(command) {
  const { id, timeout_ms: timeoutMs, topics } = command;
  const how = { ...(id === undefined ? {} : { id }), ...(timeoutMs === undefined ? {} : { timeoutMs }) };
  if (command.do === "connect") {
    const keys = { key: command.key, serverKey: command.server_key };
    client = await Client.connect(command.endpoint, { name: command.name, timeoutMs, ...keys });
    client.on("epoch", (epoch) => tell({ epoch }));
    client.on("silence", () => tell({ silence: true }));
    client.on("alive", () => tell({ alive: true }));
    client.on("fault", (error) => tell({ fault: { code: error.code, message: error.message } }));
    return { epoch: client.epoch };
  }
  if (!client) throw new BridgeError({ code: "call_error", action: "fix", message: "connect first" });
  if (command.do === "request") return client.request(command.method, command.params, how);
  if (command.do === "order") return client.order(command.request, how);
  if (command.do === "subscribe") return (await client.subscribe(topics, hand)) ?? null;
  if (command.do === "unsubscribe") return client.unsubscribe(topics) ?? null;
  if (command.do === "follow") return client.follow(command.prefix, hand) ?? null;
  if (command.do === "close") return (await client.close()) ?? null;
  throw new BridgeError({ code: "call_error", action: "fix", message: `there is no command ${JSON.stringify(command.do)}` });
}

/** @param {string} line */
async function take(line) {
  let ref;
  try {
    const command = JSON.parse(line);
    ref = command.ref;
    tell({ result: await run(command), ref });
  } catch (error) {
    if (!(error instanceof BridgeError || error instanceof SyntaxError)) throw error;
    const { code, action, told, next_step, details, id } = /** @type {BridgeError} */ (error);
    tell({
      error: { code: code ?? "call_error", action: action ?? "fix", message: told ?? error.message, next_step, details, id },
      ref,
    });
  }
}

const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => void take(line));
lines.on("close", () => void client?.close());
