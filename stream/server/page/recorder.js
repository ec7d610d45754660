/** What the reader asked to keep: events as JSON lines; picture and sound only if that was asked for too. */

/** @import { SentimentEvent } from "./types.js" */

const BITS_PER_SECOND = 1_200_000;
const FORGET = 60_000; // ms that a download may take to begin

/** @param {Blob} blob @param {string} name */
function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), FORGET);
}

export class Recorder {
  /** @type {string[] | null} */
  #lines = null;
  /** @type {MediaRecorder | null} */
  #media = null;
  /** @type {Blob[]} */
  #parts = [];
  #name = "";

  get running() {
    return this.#lines !== null;
  }

  /** @param {string} name Of the files, without their ending. @param {MediaStream | null} stream Kept too, if given. */
  start(name, stream) {
    this.#name = name;
    this.#lines = [];
    this.#parts = [];
    if (!stream || !("MediaRecorder" in window)) return;
    this.#media = new MediaRecorder(stream, { videoBitsPerSecond: BITS_PER_SECOND });
    this.#media.ondataavailable = ({ data }) => this.#parts.push(data);
    this.#media.start(1000);
  }

  /** @param {SentimentEvent} event */
  add(event) {
    this.#lines?.push(JSON.stringify(event));
  }

  /** Hands the files over and keeps nothing. @returns {Promise<number>} Events in the file. */
  async save() {
    const lines = this.#lines ?? [];
    this.#lines = null;
    await this.#endMedia();
    download(new Blob(lines.map((line) => `${line}\n`), { type: "application/x-ndjson" }), `${this.#name}.jsonl`);
    if (this.#parts.length) download(new Blob(this.#parts, { type: "video/webm" }), `${this.#name}.webm`);
    this.#parts = [];
    return lines.length;
  }

  /** @returns {Promise<void>} */
  #endMedia() {
    const media = this.#media;
    this.#media = null;
    if (!media || media.state === "inactive") return Promise.resolve();
    return new Promise((resolve) => {
      media.onstop = () => resolve();
      media.stop();
    });
  }
}
