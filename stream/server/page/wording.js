/** Numbers and states in words. No page in here: it runs anywhere. */

/** @import { Label, Modality, ModalityState, Reading, SentimentEvent } from "./types.js" */

/** @type {Record<Modality, string>} */
export const NAMES = { text: "Text", audio: "Voice", video: "Face" };

/** @type {Record<Label, string>} */
export const LABELS = { negative: "Negative", neutral: "Neutral", positive: "Positive", unknown: "Nothing to go on" };

/** @type {Record<ModalityState, string>} */
const STATES = { ok: "Good", degraded: "Degraded", stale: "Nothing new", missing: "Missing" };

/** @param {number | null} value @param {string} [absent] @returns {string} `+0.42`, `−0.73` (a true minus). */
export function signed(value, absent = "–") {
  if (value === null) return absent;
  const text = Math.abs(value).toFixed(2);
  if (Number(text) === 0) return "0.00";
  return (value > 0 ? "+" : "\u2212") + text;
}

/** @param {number} share @returns {string} */
export function percent(share) {
  return `${Math.round(share * 100)}\u202f%`;
}

/** @param {Reading} reading @param {boolean} off @returns {string} The state, and why. */
export function stateInWords(reading, off) {
  if (off) return "Left out, as you asked";
  const reason = reading.reason;
  return reason ? `${STATES[reading.state]}: ${reason}` : STATES[reading.state];
}

/** @param {[number, number] | null} interval @returns {string} */
export function intervalInWords(interval) {
  if (!interval) return "No interval without a score";
  return `90\u202f% interval ${signed(interval[0])} to ${signed(interval[1])}`;
}

/** @param {SentimentEvent["sentiment"]} sentiment @returns {string} */
export function sentimentInWords({ label, score, interval }) {
  if (score === null) return LABELS.unknown;
  const between = interval ? `, between ${signed(interval[0])} and ${signed(interval[1])}` : "";
  return `${LABELS[label]}, ${signed(score)}${between}`;
}

/** @param {number} seconds @returns {string} `1:07` */
export function clockTime(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** @param {number} count @returns {string} */
export function facesInWords(count) {
  if (count === 0) return "No face";
  return count === 1 ? "1 face" : `${count} faces`;
}
