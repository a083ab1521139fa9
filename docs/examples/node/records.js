/** Tick and bar records: 60 bytes each, little-endian, without padding (docs/protocol.md, "Tick and bar records"). */

export const RECORD_BYTES = 60;

/** @typedef {"i8" | "u8" | "f8" | "i4" | "u4"} FieldType */
/** @typedef {ReadonlyArray<readonly [name: string, type: FieldType, offset: number]>} Layout */
/** @typedef {{time: number, bid: number, ask: number, last: number, volume: number, time_msc: number, flags: number,
 *             volume_real: number}} Tick  time in s, time_msc in ms, both of the trade server's clock */
/** @typedef {{time: number, open: number, high: number, low: number, close: number, tick_volume: number, spread: number,
 *             real_volume: number}} Bar  time of the opening in s of the trade server's clock; spread in points */

/** @type {Layout} */
export const TICK = [
  ["time", "i8", 0],
  ["bid", "f8", 8],
  ["ask", "f8", 16],
  ["last", "f8", 24],
  ["volume", "u8", 32],
  ["time_msc", "i8", 40],
  ["flags", "u4", 48],
  ["volume_real", "f8", 52],
];

/** @type {Layout} */
export const BAR = [
  ["time", "i8", 0],
  ["open", "f8", 8],
  ["high", "f8", 16],
  ["low", "f8", 24],
  ["close", "f8", 32],
  ["tick_volume", "u8", 40],
  ["spread", "i4", 48],
  ["real_volume", "u8", 52],
];

/** @type {Record<FieldType, (view: DataView, at: number) => number>} 64 bit numbers above 2^53 lose their last digits. */
const READ = {
  i8: (view, at) => Number(view.getBigInt64(at, true)),
  u8: (view, at) => Number(view.getBigUint64(at, true)),
  f8: (view, at) => view.getFloat64(at, true),
  i4: (view, at) => view.getInt32(at, true),
  u4: (view, at) => view.getUint32(at, true),
};

/** Whether these bytes are whole records.
 * @param {unknown} bytes */
export function whole(bytes) {
  return bytes instanceof Uint8Array && bytes.length % RECORD_BYTES === 0;
}

/** One array for each field: what to use for many records.
 * @param {Uint8Array} bytes @param {Layout} layout @returns {Record<string, Float64Array>} */
export function columns(bytes, layout) {
  if (!whole(bytes)) throw new RangeError(`${bytes.length} bytes are no whole records of ${RECORD_BYTES} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const rows = bytes.length / RECORD_BYTES;
  return Object.fromEntries(
    layout.map(([name, type, offset]) => {
      const read = READ[type];
      return [name, Float64Array.from({ length: rows }, (_, row) => read(view, row * RECORD_BYTES + offset))];
    }),
  );
}

/** One object for each record.
 * @param {Uint8Array} bytes @param {Layout} layout @returns {any[]} */
export function rows(bytes, layout) {
  if (!whole(bytes)) throw new RangeError(`${bytes.length} bytes are no whole records of ${RECORD_BYTES} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / RECORD_BYTES }, (_, row) =>
    Object.fromEntries(layout.map(([name, type, offset]) => [name, READ[type](view, row * RECORD_BYTES + offset)])),
  );
}

/** The records of an event's or snapshot's body; undefined for a topic whose body is not records.
 * @param {string} topic @param {unknown} body @returns {any[] | undefined} */
export function recordsOf(topic, body) {
  if (!(body instanceof Uint8Array)) return undefined;
  if (topic.startsWith("tick:")) return rows(body, TICK);
  if (topic.startsWith("bar:") || topic.startsWith("forming:")) return rows(body, BAR);
  return undefined;
}
