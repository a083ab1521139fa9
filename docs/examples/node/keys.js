/** Keys, for a bridge on another machine: the file that `mt5bridge keys new NAME` writes, and the key that pins the bridge
 * (docs/protocol.md, "Sockets"; docs/security.md). */

import { readFileSync } from "node:fs";

import { BridgeError } from "./messages.js";

const PAIR = /^(public|secret) *= *"([^"\\]{40})"$/gm; // z85 has neither quotes nor backslashes

/** What both sockets need for it. @typedef {{curveServerKey: string, curvePublicKey: string, curveSecretKey: string}} Lock */

/** @param {string} [key] the file with our own key @param {string} [serverKey] the bridge's public key @returns {Lock | {}} */
export function lock(key, serverKey) {
  if (!key && !serverKey) return {};
  if (!key || !serverKey) throw wrong("our own key and the bridge's belong together", "give both `key` and `serverKey`");
  if (serverKey.length !== 40) throw wrong("`serverKey` is no public key", "on the bridge's machine: mt5bridge keys server");
  let text;
  try {
    text = readFileSync(key, "utf8");
  } catch (error) {
    throw wrong(`${key} cannot be read: ${/** @type {Error} */ (error).message}`, "make one with: mt5bridge keys new NAME");
  }
  const { public: curvePublicKey, secret: curveSecretKey } = Object.fromEntries(
    [...text.matchAll(PAIR)].map(([, name, value]) => [name, value]),
  );
  if (!curvePublicKey || !curveSecretKey) throw wrong(`${key} is not a key file`, "make one with: mt5bridge keys new NAME");
  return { curveServerKey: serverKey, curvePublicKey, curveSecretKey };
}

/** Why a bridge does not let us in. @param {string} endpoint @param {string} type of ZeroMQ's event @param {boolean} locked */
export function notAllowed(endpoint, type, locked) {
  const [message, next_step] = /** @type {Record<string, [string, string]>} */ ({
    "handshake:error:auth": ["does not allow this key", "on its machine: mt5bridge keys allow NAME PUBLIC --role ROLE"],
    "handshake:error:other": ["has another key than `serverKey`", "compare with: mt5bridge keys server, on its machine"],
    "handshake:error:protocol": locked
      ? ["wants no keys", "leave `key` and `serverKey` out"]
      : ["wants a key", "give `key` and `serverKey`"],
  })[type];
  return new BridgeError({ code: "not_allowed", action: "fix", message: `the bridge at ${endpoint} ${message}`, next_step });
}

/** @param {string} message @param {string} next_step */
function wrong(message, next_step) {
  return new BridgeError({ code: "config_error", action: "fix", message, next_step });
}
