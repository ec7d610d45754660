/** The score as a calm arc, with its interval and its label in words. */

/** @import { SentimentEvent } from "./types.js" */
import { part, write } from "./page.js";
import { tint } from "./theme.js";
import { intervalInWords, LABELS, sentimentInWords, signed } from "./wording.js";

const SPEAK_AGAIN = 4000; // ms between two announcements

/** @param {number} value -1 to 1. @returns {number} 0 to 100 along the arc. */
const along = (value) => ((value + 1) / 2) * 100;

export class Gauge {
  #gauge = part("gauge");
  #number = part("score");
  #label = part("label");
  #interval = part("interval");
  #spoken = part("spoken");
  /** @type {SVGElement} */
  #band = part("band");
  /** @type {SVGElement} */
  #needle = part("needle");
  #spokenAt = -Infinity;
  #spokenLabel = "";

  /** Nothing yet. @param {string} label @param {string} words */
  clear(label, words) {
    this.#gauge.dataset.unknown = "true";
    this.#number.removeAttribute("aria-valuenow");
    this.#number.setAttribute("aria-valuetext", label);
    write(this.#number, "–");
    write(this.#label, label);
    write(this.#interval, words);
  }

  /** @param {SentimentEvent["sentiment"]} sentiment */
  show(sentiment) {
    const { score, label, interval } = sentiment;
    this.#speak(LABELS[label]);
    if (score === null) return this.clear(LABELS[label], "No words, no voice and no face that could be read.");
    this.#gauge.dataset.unknown = "false";
    tint(this.#gauge, score);
    this.#needle.style.setProperty("--turn", `${along(score) * 1.8}deg`);
    const [low, high] = interval ?? [score, score];
    this.#band.style.setProperty("stroke-dasharray", `${along(high) - along(low)} 200`);
    this.#band.style.setProperty("stroke-dashoffset", `${-along(low)}`);
    this.#number.setAttribute("aria-valuenow", score.toFixed(2));
    this.#number.setAttribute("aria-valuetext", sentimentInWords(sentiment));
    write(this.#number, signed(score));
    write(this.#label, LABELS[label]);
    write(this.#interval, intervalInWords(interval));
  }

  /** @param {string} label */
  #speak(label) {
    const now = performance.now();
    if (label === this.#spokenLabel || now - this.#spokenAt < SPEAK_AGAIN) return;
    this.#spokenAt = now;
    this.#spokenLabel = label;
    write(this.#spoken, label);
  }
}
