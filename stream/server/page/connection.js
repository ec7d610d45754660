/** One socket, which is one session. */

/** @import { Arrival, Configured, Created, SentimentEvent, Switches } from "./types.js" */

/**
 * @typedef {object} Listener Called by the connection, never after `close()`.
 * @property {(message: Created) => void} created
 * @property {(message: Configured) => void} configured
 * @property {(arrival: Arrival) => void} event
 * @property {(event: SentimentEvent) => void} early What the window that is open has come to; its event follows.
 * @property {(message: {seconds: number, audio_frames: number, video_frames: number}) => void} status
 * @property {(switches: Switches) => void} changed
 * @property {(error: {code: string, message: string}) => void} error
 * @property {(end: {reason: string | null, code: number}) => void} ended The socket is closed, asked or not.
 */

export class Connection {
  #socket;
  /** @type {Listener | null} */
  #listener;
  /** @type {string | null} */
  #reason = null;

  /** @param {Listener} listener */
  constructor(listener) {
    this.#listener = listener;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.#socket = new WebSocket(`${scheme}://${location.host}/v1/stream`);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    this.#socket.onclose = ({ code }) => this.#listener?.ended({ reason: this.#reason, code });
  }

  /** Bytes that wait to be sent. */
  get waiting() {
    return this.#socket.bufferedAmount;
  }

  /** @param {object} message */
  configure(message) {
    this.#send({ type: "configure", ...message });
  }

  /** @param {Switches} switches */
  change(switches) {
    this.#send({ type: "change", switches });
  }

  /** @param {ArrayBuffer} bytes */
  sendBytes(bytes) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(bytes);
  }

  /** Ends the session; nothing is heard from it any more. */
  close() {
    this.#listener = null;
    this.#send({ type: "close" });
    this.#socket.close(1000);
  }

  /** @param {object} message */
  #send(message) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  /** @param {any} message */
  #receive(message) {
    const listener = this.#listener;
    if (!listener) return;
    switch (message.type) {
      case "session.created":
        return listener.created(message);
      case "session.configured":
        return listener.configured(message);
      case "event":
        return listener.event({ event: message.event, ageMs: message.age_ms, at: performance.now() / 1000 });
      case "early":
        return listener.early(message.event);
      case "status":
        return listener.status(message);
      case "changed":
        return listener.changed(message.switches);
      case "error":
        return listener.error(message);
      case "session.closed":
        this.#reason = message.reason;
    }
  }
}
