/** The last minute as columns for charts. No page in here: it runs anywhere. */

/** @import { Modality, SentimentEvent } from "./types.js" */
import { MODALITIES } from "./types.js";

/**
 * @typedef {object} Moment One event, on a clock that goes on from session to session.
 * @property {number} time Seconds.
 * @property {number | null} score
 * @property {[number, number] | null} interval
 * @property {Record<Modality, number | null>} alone Each modality's own score.
 * @property {Record<Modality, number> | null} trust
 *
 * @typedef {(number | null)[]} Column
 */

const REANCHOR = 1; // s that event time and the page's clock may drift apart before they are joined anew

/** @param {number} time @returns {Moment} */
function silence(time) {
  return { time, score: null, interval: null, alone: { text: null, audio: null, video: null }, trust: null };
}

export class History {
  /** @type {Moment[]} */
  #moments = [];
  /** @type {number | null} */
  #anchor = null;

  /** @param {{seconds?: number, limit?: number}} [options] What is kept: a stretch of time, and a number of events. */
  constructor({ seconds = 60, limit = 120 } = {}) {
    this.seconds = seconds;
    this.limit = limit;
  }

  /** A new session begins: its event time starts at 0 again, and between the two is a gap. */
  restart() {
    this.#anchor = null;
    const newest = this.newest;
    if (newest && newest.score !== null) this.#push(silence(newest.time + 0.001));
  }

  clear() {
    this.#moments = [];
    this.#anchor = null;
  }

  /**
   * @param {SentimentEvent} event
   * @param {number} ended When its window ended, in seconds on the page's clock.
   */
  add(event, ended) {
    const expected = this.#anchor === null ? null : this.#anchor + event.window.end;
    if (expected === null || Math.abs(expected - ended) > REANCHOR) this.#anchor = ended - event.window.end;
    const time = Math.max((this.#anchor ?? 0) + event.window.end, (this.newest?.time ?? -Infinity) + 0.001);
    const { score, interval } = event.sentiment;
    /** @type {Moment["alone"]} */
    const alone = { text: null, audio: null, video: null };
    for (const name of MODALITIES) alone[name] = event.modalities[name].score;
    const present = MODALITIES.some((name) => event.trust[name] > 0);
    this.#push({ time, score, interval, alone, trust: present ? event.trust : null });
  }

  /** @returns {Moment | undefined} */
  get newest() {
    return this.#moments.at(-1);
  }

  /** @returns {readonly Moment[]} */
  get moments() {
    return this.#moments;
  }

  /** @returns {Column[]} Times, then score, interval's high and low end, and text, audio and video alone. */
  scores() {
    const moments = this.#moments;
    return [
      moments.map((moment) => moment.time),
      moments.map((moment) => moment.score),
      moments.map((moment) => moment.interval?.[1] ?? null),
      moments.map((moment) => moment.interval?.[0] ?? null),
      ...MODALITIES.map((name) => moments.map((moment) => moment.alone[name])),
    ];
  }

  /** @returns {Column[]} Times, then the upper edges of a pile: all three, text and audio, text. */
  trust() {
    const moments = this.#moments;
    return [
      moments.map((moment) => moment.time),
      moments.map(({ trust }) => trust && trust.text + trust.audio + trust.video),
      moments.map(({ trust }) => trust && trust.text + trust.audio),
      moments.map(({ trust }) => trust && trust.text),
    ];
  }

  /** @param {Moment} moment */
  #push(moment) {
    this.#moments.push(moment);
    const oldest = moment.time - this.seconds;
    while (this.#moments.length > this.limit || this.#moments[0].time < oldest) this.#moments.shift();
  }
}
