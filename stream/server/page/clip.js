/** The clip on the page, kept in step with the session that reads it. */

/** @import { Arrival } from "./types.js" */

const OFF = 0.25; // s off before it is put right

export class ClipPlayer {
  #video;
  #begin = 0;

  /** @param {HTMLVideoElement} video */
  constructor(video) {
    this.#video = video;
  }

  /** @param {string} source @param {number} begin Seconds. */
  play(source, begin) {
    this.#begin = begin;
    if (!this.#video.src.endsWith(source)) this.#video.src = source;
    this.#seek(begin);
    void this.#video.play().catch(() => undefined);
  }

  /** @param {number} seconds Event time of the session, now. @param {number} late Seconds since then. */
  follow(seconds, late) {
    const due = this.#begin + seconds + late;
    const ready = !this.#video.seeking && this.#video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA;
    if (!ready || due > this.#video.duration) return;
    if (Math.abs(this.#video.currentTime - due) > OFF) this.#seek(due);
    if (this.#video.paused) void this.#video.play().catch(() => undefined);
  }

  /** @param {Arrival} arrival */
  followEvent({ event, ageMs, at }) {
    this.follow(event.window.end, ageMs / 1000 + performance.now() / 1000 - at);
  }

  /** Seconds. */
  get position() {
    return this.#video.currentTime;
  }

  pause() {
    this.#video.pause();
  }

  /** Nothing is shown and nothing loaded any more. */
  close() {
    this.#video.pause();
    this.#video.removeAttribute("src");
    this.#video.load();
  }

  /** @param {number} seconds */
  #seek(seconds) {
    if (Math.abs(this.#video.currentTime - seconds) > 0.01) this.#video.currentTime = seconds;
  }
}
