/** The place of one topic in its sequence (docs/protocol.md, "Sequences"): no sockets, no clock, no promises.
 *
 * What comes in are events, heartbeats, snapshots and replays; what comes out is what the program gets, in order: each event once,
 * and a `Gap` wherever events are missing that nobody has any more. */

/** @typedef {import("./messages.js").Event} Event */
/** @typedef {Event & {kind: "event", replayed: boolean}} Delivered */
/** @typedef {{kind: "snapshot", topic: string, epoch: number, sequence: number, flags: number, body: any}} State */
/** @typedef {{kind: "gap", topic: string, epoch: number, first: number | null, last: number | null, count: number | null,
 *             reason: "not_kept" | "epoch" | "ended"}} Gap  sequences `first` to `last` are missing; null: nobody knows how many */
/** @typedef {{topic: string, sequence: number, pending: boolean, flags: number, body: any}} TopicSnapshot */

/** Topics whose newest state says all: where events are gone, the program gets a gap and then the state as it is. */
const STATES = /^(account|trade|connection|forming:.*|book:.*)$/s;

export class Stream {
  /** @param {string} topic @param {boolean} [followed] not joined: it begins with the first event that arrives */
  constructor(topic, followed = false) {
    this.topic = topic;
    this.followed = followed;
    /** Nothing is delivered until a snapshot tells where to begin. */
    this.joining = true;
    /** @type {number | null} null: before the first snapshot or event */
    this.epoch = null;
    /** Sequence of the newest event that was delivered, or that the state which was delivered includes. */
    this.last = 0;
    /** What came before what is missing. @type {Map<number, Event>} */
    this.kept = new Map();
    /** What the heartbeat before told to be published, and what is late by a heartbeat. */
    this.told = 0;
    this.due = 0;
    this.lost = false;
  }

  /** Which sequences have to be asked for, or null. @returns {{first: number, last: number} | null} */
  get missing() {
    if (this.joining || this.epoch === null) return null;
    let last = this.kept.size ? Infinity : this.due;
    for (const sequence of this.kept.keys()) last = Math.min(last, sequence - 1);
    return last > this.last ? { first: this.last + 1, last } : null;
  }

  /** @param {Event} event @returns {Array<Delivered | State | Gap>} */
  accept(event) {
    if (this.joining && this.followed) {
      const { topic, epoch, sequence, flags } = event;
      return this.join(epoch, { topic, sequence: sequence - 1, flags, pending: false, body: null }).concat(this.accept(event));
    }
    if (this.joining) {
      const known = this.kept.get(event.sequence);
      if (known?.epoch !== event.epoch) this.kept.set(event.sequence, event);
      return [];
    }
    if (event.epoch !== this.epoch || event.sequence <= this.last) return [];
    if (!this.kept.has(event.sequence)) this.kept.set(event.sequence, event);
    return this.#drain();
  }

  /** What a heartbeat tells to be published and did not come until the next one is missing. @param {number} newest */
  heartbeat(newest) {
    if (this.joining || this.epoch === null) return;
    if (this.told > this.last) this.due = Math.max(this.due, this.told);
    this.told = newest;
  }

  /** Another run of the bridge, or events that nobody has: wait for a snapshot. */
  rejoin() {
    this.joining = true;
  }

  /** The topic cannot be had any more. @returns {Gap} */
  end() {
    return {
      kind: "gap",
      topic: this.topic,
      epoch: this.epoch ?? 0,
      first: this.last + 1,
      last: null,
      count: null,
      reason: "ended",
    };
  }

  /** The answer of a snapshot. @param {number} epoch @param {TopicSnapshot} snapshot @returns {Array<Delivered | State | Gap>} */
  join(epoch, snapshot) {
    const { topic } = this;
    const former = this.epoch;
    /** @type {Array<Delivered | State | Gap>} */
    const out = [];
    // No event will tell what is open: the snapshot has to be asked for again when the stream runs.
    if (topic === "trade" && snapshot.pending && snapshot.body === null) return out;
    this.joining = false;
    for (const [sequence, event] of this.kept) if (event.epoch !== epoch) this.kept.delete(sequence);
    if (former === epoch && !this.lost) {
      // The stream goes on where it was: what was missed meanwhile can be asked for.
      this.due = Math.max(this.due, snapshot.sequence);
      return this.#rest();
    }
    if (former !== null && former !== epoch)
      out.push({ kind: "gap", topic, epoch, first: null, last: null, count: null, reason: "epoch" });
    else if (former === epoch && snapshot.sequence > this.last) out.push(this.#gap(snapshot.sequence));
    Object.assign(this, { epoch, last: snapshot.sequence, told: 0, due: 0, lost: false });
    if (snapshot.body !== null)
      out.push({ kind: "snapshot", topic, epoch, sequence: snapshot.sequence, flags: snapshot.flags, body: snapshot.body });
    return [...out, ...this.#rest()];
  }

  /** The answer of a replay of `asked`: `events` are those of its frames that can be read.
   * @param {{first: number, last: number}} asked @param {{first: number, missing: number}} reply @param {Event[]} events
   * @returns {Array<Delivered | Gap>} */
  replayed(asked, reply, events) {
    /** @type {Array<Delivered | Gap>} */
    const out = [];
    if (this.joining || asked.first !== this.last + 1) return out;
    if (reply.missing > 0 && STATES.test(this.topic)) {
      this.lost = true;
      this.rejoin();
      return out;
    }
    if (reply.missing > 0 && reply.first > asked.first) out.push(this.#gap(Math.min(reply.first - 1, asked.last)));
    for (const event of [...events].sort((a, b) => a.sequence - b.sequence)) {
      if (event.topic !== this.topic || event.epoch !== this.epoch || event.sequence <= this.last) continue;
      if (event.sequence > this.last + 1) out.push(this.#gap(event.sequence - 1));
      this.last = event.sequence;
      out.push({ kind: "event", replayed: true, ...event });
    }
    // Nothing of it, and nothing is said to be missing: it is not there.
    if (this.last < asked.first) out.push(this.#gap(asked.last));
    return [...out, ...this.#rest()];
  }

  /** Nobody has what was asked for. @param {{first: number, last: number}} asked @returns {Array<Delivered | Gap>} */
  unknown(asked) {
    if (this.joining || asked.first !== this.last + 1) return [];
    return [this.#gap(asked.last), ...this.#rest()];
  }

  /** @param {number} last @returns {Gap} */
  #gap(last) {
    const first = this.last + 1;
    this.last = last;
    return { kind: "gap", topic: this.topic, epoch: this.epoch ?? 0, first, last, count: last - first + 1, reason: "not_kept" };
  }

  /** What was kept behind what is known now. @returns {Delivered[]} */
  #rest() {
    for (const sequence of this.kept.keys()) if (sequence <= this.last) this.kept.delete(sequence);
    return this.#drain();
  }

  /** @returns {Delivered[]} */
  #drain() {
    /** @type {Delivered[]} */
    const out = [];
    for (let event; (event = this.kept.get(this.last + 1));) {
      this.kept.delete(event.sequence);
      this.last = event.sequence;
      out.push({ kind: "event", replayed: false, ...event });
    }
    return out;
  }
}
