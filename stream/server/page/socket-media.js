/** Camera and microphone through the session's own socket, where WebRTC cannot connect. */

/** @import { Connection } from "./connection.js" */
/** @import { Configured } from "./types.js" */
import { PictureSender } from "./picture-sender.js";
import { SoundSender } from "./sound-sender.js";

export class SocketTransport {
  /** @type {"socket"} */
  name = "socket";
  #stream;
  #video;
  /** @type {{stop(): void}[]} */
  #senders = [];
  #closed = false;

  /** @param {MediaStream} stream @param {HTMLVideoElement} video Where the stream is shown. */
  constructor(stream, video) {
    this.#stream = stream;
    this.#video = video;
  }

  /** @returns {Promise<object>} */
  async configuration() {
    return { source: "socket", kinds: [...new Set(this.#stream.getTracks().map((track) => track.kind))] };
  }

  /** @param {Configured} _configured @param {Connection} connection @returns {Promise<void>} When media flows. */
  async begin(_configured, connection) {
    const seen = this.#stream.getVideoTracks().length > 0;
    const pictures = seen ? new PictureSender(this.#video, connection) : null;
    if (pictures) this.#senders.push(pictures);
    if (!this.#stream.getAudioTracks().length) return;
    const sound = new SoundSender(this.#stream, connection, () => {
      if (document.hidden) pictures?.look();
    });
    this.#senders.push(sound);
    await sound.start();
    if (this.#closed) sound.stop();
  }

  close() {
    this.#closed = true;
    for (const sender of this.#senders) sender.stop();
    this.#senders = [];
  }
}
