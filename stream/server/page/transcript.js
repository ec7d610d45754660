/** The running transcript, built from events. No page in here: it runs anywhere. */

/** @import { SentimentEvent, Word } from "./types.js" */

/**
 * @typedef {object} Utterance Words with no long silence between them.
 * @property {string} key Stays while the utterance grows.
 * @property {number} start Seconds, on the clock that the reader sees.
 * @property {number} end
 * @property {{text: string, final: boolean}[]} words
 * @property {number | null} score The fused score at its time.
 */

const SAME = 0.5; // of the shorter word: two words that overlap this much are one word heard twice

/** @param {Word} a @param {Word} b @returns {boolean} */
function sameSpan(a, b) {
  const overlap = Math.min(a.end, b.end) - Math.max(a.start, b.start);
  return overlap > SAME * Math.max(0.01, Math.min(a.end - a.start, b.end - b.start));
}

/**
 * Words known so far and an event's words as one list. Final words stay; what was not final gives way where the event
 * reaches, which is from its window's start (or its first word, if that is earlier) onwards.
 *
 * @param {Word[]} known In order.
 * @param {Word[]} heard In order.
 * @param {number} windowStart Seconds.
 * @returns {Word[]} In order.
 */
export function mergeWords(known, heard, windowStart) {
  const reach = Math.min(windowStart, heard[0]?.start ?? Infinity);
  const kept = known.filter((word) => word.final || word.end <= reach);
  const late = kept.filter((word) => word.end > reach);
  const fresh = heard.filter((word) => !late.some((other) => sameSpan(word, other)));
  return [...kept, ...fresh].sort((a, b) => a.start - b.start);
}

/**
 * Words cut where nobody speaks for longer than the gap.
 *
 * @template {{start: number, end: number}} T
 * @param {T[]} words In order.
 * @param {number} gap Seconds.
 * @returns {T[][]}
 */
export function splitUtterances(words, gap) {
  /** @type {T[][]} */
  const utterances = [];
  let end = -Infinity;
  for (const word of words) {
    if (word.start - end > gap) utterances.push([]);
    utterances[utterances.length - 1].push(word);
    end = Math.max(end, word.end);
  }
  return utterances;
}

/** The transcript of sessions one after the other; bounded by its number of words. */
export class Transcript {
  /** @type {Utterance[]} Of sessions that are over. */
  #past = [];
  /** @type {Word[]} */
  #words = [];
  /** @type {{end: number, score: number | null}[]} */
  #scores = [];
  #session = 0;
  #offset = 0;

  /** @param {{limit?: number, gap?: number}} [options] Words kept at most; seconds of silence between utterances. */
  constructor({ limit = 300, gap = 0.8 } = {}) {
    this.limit = limit;
    this.gap = gap;
  }

  /** @param {number} [offset] Seconds added to the times of the new session, whose event time starts at 0. */
  restart(offset = 0) {
    this.#past = this.utterances().map((utterance) => ({
      ...utterance,
      words: utterance.words.map((word) => ({ ...word, final: true })),
    }));
    this.#words = [];
    this.#scores = [];
    this.#session += 1;
    this.#offset = offset;
  }

  clear() {
    this.restart();
    this.#past = [];
  }

  /** @param {SentimentEvent} event */
  add(event) {
    this.#words = mergeWords(this.#words, event.transcript.words ?? [], event.window.start).slice(-this.limit);
    const oldest = this.#words[0]?.start ?? event.window.start;
    this.#scores.push({ end: event.window.end, score: event.sentiment.score });
    this.#scores = this.#scores.filter((entry) => entry.end >= oldest);
  }

  /** @returns {Utterance[]} Oldest first, together no more words than the limit. */
  utterances() {
    const current = splitUtterances(this.#words, this.gap).map((words) => this.#utterance(words));
    const all = [...this.#past, ...current];
    let room = this.limit;
    /** @type {Utterance[]} */
    const shown = [];
    for (const utterance of all.reverse()) {
      if (room <= 0) break;
      shown.push({ ...utterance, words: utterance.words.slice(-room) });
      room -= utterance.words.length;
    }
    return shown.reverse();
  }

  /** @param {Word[]} words @returns {Utterance} */
  #utterance(words) {
    const start = words[0].start;
    const end = Math.max(...words.map((word) => word.end));
    return {
      key: `${this.#session}:${start.toFixed(1)}`,
      start: start + this.#offset,
      end: end + this.#offset,
      words: words.map(({ text, final }) => ({ text, final })),
      score: this.#scoreAt(end),
    };
  }

  /** Of the first window that has all of it, or the newest. @param {number} time @returns {number | null} */
  #scoreAt(time) {
    const entry = this.#scores.find(({ end }) => end >= time) ?? this.#scores.at(-1);
    return entry?.score ?? null;
  }
}
