/** The camera as ten JPEG pictures a second. */

/** @import { Connection } from "./connection.js" */
import { packet, PICTURE } from "./packet.js";

const WIDEST = 640;
const QUALITY = 0.8;
const APART = 0.1; // s between two pictures
const EARLY = 0.02; // s that a picture may come before its turn, or every third would be one frame late
const FULL = 256 * 1024; // bytes that wait: the link is slow, so pictures give way to sound

export class PictureSender {
  #canvas = document.createElement("canvas");
  #context = this.#canvas.getContext("2d", { alpha: false });
  #video;
  #connection;
  #stopped = false;
  #busy = false;
  #last = -Infinity;
  /** @type {number} */
  #handle = 0;

  /** @param {HTMLVideoElement} video @param {Connection} connection */
  constructor(video, connection) {
    this.#video = video;
    this.#connection = connection;
    this.#next();
  }

  stop() {
    this.#stopped = true;
    if (this.#paced) this.#video.cancelVideoFrameCallback(this.#handle);
    else clearTimeout(this.#handle);
  }

  get #paced() {
    return "requestVideoFrameCallback" in HTMLVideoElement.prototype;
  }

  #next() {
    if (this.#stopped) return;
    const look = () => {
      this.look();
      this.#next();
    };
    if (this.#paced) this.#handle = this.#video.requestVideoFrameCallback(look);
    else this.#handle = window.setTimeout(look, APART * 1000);
  }

  /** Sends the picture of now if it is its turn. A hidden tab is not called back by its video: others may call this. */
  look() {
    const now = performance.now() / 1000;
    const { videoWidth, videoHeight } = this.#video;
    const early = now - this.#last < APART - EARLY;
    if (this.#stopped || this.#busy || early || !videoWidth || this.#connection.waiting > FULL) return;
    this.#last = now;
    const scale = Math.min(1, WIDEST / videoWidth);
    this.#canvas.width = Math.round(videoWidth * scale);
    this.#canvas.height = Math.round(videoHeight * scale);
    this.#context?.drawImage(this.#video, 0, 0, this.#canvas.width, this.#canvas.height);
    this.#busy = true;
    this.#canvas.toBlob((blob) => void this.#send(blob, now), "image/jpeg", QUALITY);
  }

  /** @param {Blob | null} blob @param {number} time */
  async #send(blob, time) {
    const bytes = await blob?.arrayBuffer();
    this.#busy = false;
    if (bytes && !this.#stopped) this.#connection.sendBytes(packet(PICTURE, 0, time, bytes));
  }
}
