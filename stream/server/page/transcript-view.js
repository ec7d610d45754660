/** The running transcript on the page. */

/** @import { Transcript, Utterance } from "./transcript.js" */
import { made, part, write } from "./page.js";
import { tint } from "./theme.js";
import { clockTime } from "./wording.js";

const NEAR = 24; // px from the end that still count as reading along

/** @param {Utterance} utterance @returns {DocumentFragment} Runs of sure and of partial words. */
function wordsOf(utterance) {
  const fragment = document.createDocumentFragment();
  let rest = utterance.words;
  while (rest.length) {
    const turn = rest.findIndex((word) => word.final !== rest[0].final);
    const run = turn < 0 ? rest : rest.slice(0, turn);
    rest = rest.slice(run.length);
    const text = run.map((word) => word.text).join(" ") + (rest.length ? " " : "");
    fragment.append(made("span", { class: run[0].final ? "sure" : "partial", text }));
  }
  return fragment;
}

export class TranscriptView {
  #box = part("transcript");
  #empty = part("no-words");
  #newest = part("newest");
  /** @type {Map<string, {element: HTMLElement, words: HTMLElement, seen: string}>} */
  #shown = new Map();
  #along = true;

  constructor() {
    this.#box.addEventListener("scroll", () => {
      this.#along = this.#box.scrollHeight - this.#box.scrollTop - this.#box.clientHeight < NEAR;
      this.#newest.hidden = this.#along;
    }, { passive: true });
    this.#newest.addEventListener("click", () => this.#toEnd());
  }

  /** @param {Transcript} transcript */
  show(transcript) {
    const utterances = transcript.utterances();
    const keys = new Set(utterances.map(({ key }) => key));
    for (const [key, { element }] of this.#shown) {
      if (keys.has(key)) continue;
      element.remove();
      this.#shown.delete(key);
    }
    this.#empty.hidden = utterances.length > 0;
    for (const utterance of utterances) this.#put(utterance);
    if (this.#along) this.#toEnd();
  }

  #toEnd() {
    this.#box.scrollTop = this.#box.scrollHeight;
  }

  /** @param {Utterance} utterance */
  #put(utterance) {
    const known = this.#shown.get(utterance.key) ?? this.#add(utterance);
    tint(known.element, utterance.score);
    const seen = utterance.words.map(({ text, final }) => text + (final ? "" : "?")).join(" ");
    if (seen === known.seen) return;
    known.seen = seen;
    known.words.replaceChildren(wordsOf(utterance));
  }

  /** @param {Utterance} utterance */
  #add(utterance) {
    const time = made("time");
    write(time, clockTime(utterance.start));
    const words = made("span");
    const element = made("div", { class: "utterance" }, [time, words]);
    this.#box.append(element);
    const entry = { element, words, seen: "" };
    this.#shown.set(utterance.key, entry);
    return entry;
  }
}
