/** Trust as three bars, each with its state, its reason and what that modality says alone. */

/** @import { Modality, SentimentEvent } from "./types.js" */
import { made, part, write } from "./page.js";
import { MODALITIES } from "./types.js";
import { NAMES, percent, signed, stateInWords } from "./wording.js";

/**
 * @typedef {object} Row
 * @property {HTMLElement} row
 * @property {HTMLElement} meter
 * @property {HTMLElement} share
 * @property {HTMLElement} reason
 * @property {HTMLElement} score
 * @property {HTMLElement} quality
 * @property {HTMLButtonElement} off
 */

/** @param {Modality} name @param {(name: Modality) => void} toggled @returns {Row} */
function rowOf(name, toggled) {
  const fill = made("div", { class: "fill" });
  const meter = made("div", {
    class: "bar", role: "meter", "aria-label": `Trust in ${NAMES[name].toLowerCase()}`, "aria-valuemin": "0",
    "aria-valuemax": "1", "data-testid": `trust-${name}`, "aria-valuenow": "0", "aria-valuetext": "nothing yet",
  }, [fill]);
  const share = made("span", { class: "share-number", text: "–" });
  const reason = made("p", { class: "reason", "data-testid": `reason-${name}`, text: "–" });
  const score = made("span", { text: "alone –" });
  const quality = made("span", { text: "quality –" });
  const off = made("button", {
    type: "button", "data-testid": `off-${name}`, "aria-pressed": "false", text: "Leave out",
    "aria-label": `Leave out ${NAMES[name].toLowerCase()}`,
  });
  off.addEventListener("click", () => toggled(name));
  const row = made("div", { class: "trust-row", "data-modality": name }, [
    made("span", { class: "who", text: NAMES[name] }), meter, share, off, reason,
    made("p", { class: "alone" }, [score, quality]),
  ]);
  return { row, meter, share, reason, score, quality, off };
}

export class TrustRows {
  /** @type {Record<Modality, Row>} */
  #rows;
  /** @type {Modality[]} */
  #off = [];

  /** @param {(name: Modality) => void} toggled A modality is to be left out, or taken in again. */
  constructor(toggled) {
    const [text, audio, video] = MODALITIES.map((name) => rowOf(name, toggled));
    this.#rows = { text, audio, video };
    part("trust-rows").append(text.row, audio.row, video.row);
  }

  clear() {
    for (const name of MODALITIES) {
      const { row, meter, share, reason, score, quality } = this.#rows[name];
      row.removeAttribute("data-state");
      meter.removeAttribute("data-state");
      meter.setAttribute("aria-valuenow", "0");
      meter.setAttribute("aria-valuetext", "nothing yet");
      row.style.setProperty("--share", "0");
      write(share, "–");
      write(reason, "Nothing yet");
      write(score, "alone –");
      write(quality, "quality –");
    }
  }

  /** @param {Modality[]} off */
  leftOut(off) {
    this.#off = off;
    for (const name of MODALITIES) {
      this.#rows[name].off.setAttribute("aria-pressed", String(off.includes(name)));
    }
  }

  /** @param {SentimentEvent} event */
  show(event) {
    for (const name of MODALITIES) {
      const reading = event.modalities[name];
      const trust = event.trust[name];
      const { row, meter, share, reason, score, quality } = this.#rows[name];
      const words = stateInWords(reading, this.#off.includes(name) && trust === 0);
      row.dataset.state = reading.state;
      meter.dataset.state = reading.state;
      row.style.setProperty("--share", String(trust));
      meter.setAttribute("aria-valuenow", trust.toFixed(2));
      meter.setAttribute("aria-valuetext", `${percent(trust)}, ${words}`);
      write(share, percent(trust));
      write(reason, words);
      reason.title = words;
      write(score, `alone ${signed(reading.score)}`);
      write(quality, `quality ${percent(reading.quality)}`);
    }
  }
}
