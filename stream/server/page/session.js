/** A session's life: start, pause, resume, reconnect. One socket at a time, one transport on it. */

/** @import { Arrival, Configured, Created, SentimentEvent, Source, State, Switches } from "./types.js" */
import { Backoff } from "./backoff.js";
import { CaptureError, closeCapture, openCapture } from "./capture.js";
import { ClipTransport } from "./clip-transport.js";
import { Connection } from "./connection.js";
import { judged } from "./ending.js";
import { SocketTransport } from "./socket-media.js";
import { noSwitches } from "./types.js";
import { WebrtcTransport } from "./webrtc.js";

/**
 * @typedef {object} SessionView What is told to the page.
 * @property {(state: State) => void} state
 * @property {(text: string, tone?: "calm" | "problem") => void} message Empty text: nothing to say any more.
 * @property {(stream: MediaStream | null) => void} media
 * @property {(created: Created) => void} created
 * @property {(configured: Configured, transport: string) => void} configured
 * @property {(arrival: Arrival) => void} event
 * @property {(event: SentimentEvent) => void} early What the window that is open has come to; its event follows.
 * @property {(seconds: number, at: number) => void} seconds Event time so far.
 * @property {(switches: Switches) => void} switches
 * @property {() => number} clipPosition Seconds, where the clip is now.
 *
 * @typedef {WebrtcTransport | SocketTransport | ClipTransport} Transport
 */

export class Session {
  /** @type {State} */
  state = "idle";
  /** @type {Source} */
  source = "camera";
  switches = noSwitches();
  #view;
  #video;
  #forceSocket;
  #backoff = new Backoff();
  /** @type {MediaStream | null} */
  #stream = null;
  /** @type {Connection | null} */
  #connection = null;
  /** @type {Transport | null} */
  #transport = null;
  /** @type {{code: string, message: string} | null} */
  #error = null;
  #timer = 0;
  #run = 0; // counts up whenever what was under way is no longer wanted

  /** @param {SessionView} view @param {HTMLVideoElement} video @param {boolean} forceSocket Never WebRTC. */
  constructor(view, video, forceSocket) {
    this.#view = view;
    this.#video = video;
    this.#forceSocket = forceSocket;
  }

  /** @param {Source} source @param {number} [begin] Seconds into the clip. @returns {Promise<void>} */
  async start(source, begin = 0) {
    this.#stop();
    this.source = source;
    this.#backoff.reset();
    this.#say("");
    this.#become("connecting");
    if (source === "camera" && !(await this.#capture())) return;
    this.#open(begin);
  }

  /** Ends the session; camera and microphone are released. */
  pause() {
    this.#stop();
    this.#become("paused");
  }

  /** @param {number} begin Seconds into the clip. @returns {Promise<void>} */
  resume(begin) {
    return this.start(this.source, begin);
  }

  /** @param {Partial<Switches>} wish */
  change(wish) {
    this.switches = { ...this.switches, ...wish };
    this.#view.switches(this.switches);
    this.#connection?.change(this.switches);
  }

  /** @returns {Promise<boolean>} Whether there is something to send. */
  async #capture() {
    const run = this.#run;
    try {
      const stream = await openCapture();
      if (run === this.#run) this.#hold(stream);
      else closeCapture(stream);
      return run === this.#run;
    } catch (error) {
      if (run === this.#run) this.#fail(error instanceof CaptureError ? error.message : String(error));
      return false;
    }
  }

  /** @param {MediaStream} stream */
  #hold(stream) {
    this.#stream = stream;
    this.#view.media(stream);
    for (const track of stream.getTracks()) {
      track.addEventListener("ended", () => {
        const device = track.kind === "video" ? "The camera" : "The microphone";
        this.#say(`${device} has gone away. Pause and resume to look for it again.`, "problem");
      });
    }
  }

  /** @param {number} begin */
  #open(begin) {
    this.#drop();
    this.#error = null;
    const run = this.#run;
    const current = () => run === this.#run;
    const transport = this.#choose(begin);
    this.#transport = transport;
    const connection = new Connection({
      created: (created) => {
        this.#view.created(created);
        void this.#configure(connection, transport, current);
      },
      configured: (configured) => void this.#begin(configured, connection, transport, current),
      event: (arrival) => this.#view.event(arrival),
      early: (event) => this.#view.early(event),
      status: ({ seconds }) => this.#view.seconds(seconds, performance.now() / 1000),
      changed: (switches) => {
        this.switches = { ...this.switches, ...switches };
        this.#view.switches(this.switches);
      },
      error: (error) => {
        this.#error = error;
        this.#say(error.message, "problem");
      },
      ended: ({ reason, code }) => this.#ended(reason, code),
    });
    this.#connection = connection;
  }

  /** @param {number} begin @returns {Transport} */
  #choose(begin) {
    if (this.source === "clip" || !this.#stream) return new ClipTransport(begin);
    if (this.#forceSocket || !("RTCPeerConnection" in window)) return new SocketTransport(this.#stream, this.#video);
    return new WebrtcTransport(this.#stream, () => this.#retry("The connection was lost. Trying again."));
  }

  /**
   * @param {Connection} connection
   * @param {Transport} transport
   * @param {() => boolean} current
   */
  async #configure(connection, transport, current) {
    try {
      const message = await transport.configuration();
      if (current()) connection.configure(message);
    } catch (error) {
      if (current()) this.#otherWay(error);
    }
  }

  /**
   * @param {Configured} configured
   * @param {Connection} connection
   * @param {Transport} transport
   * @param {() => boolean} current Whether this try is still the one that is wanted.
   */
  async #begin(configured, connection, transport, current) {
    const anything = Object.values(this.switches).some((value) => (Array.isArray(value) ? value.length : value));
    if (anything) connection.change(this.switches);
    try {
      await transport.begin(configured, connection);
      if (!current()) return;
      this.#backoff.reset();
      this.#say("");
      this.#view.configured(configured, transport.name);
      this.#become("live");
    } catch (error) {
      if (current()) this.#otherWay(error);
    }
  }

  /** Media did not flow: from WebRTC to the socket, and from there to another try. @param {unknown} error */
  #otherWay(error) {
    if (this.#transport?.name !== "webrtc") return this.#retry(`Nothing could be sent (${error}). Trying again.`);
    this.#forceSocket = true;
    this.#say("No direct connection here. Sending through the page’s own socket instead.");
    this.#open(0);
  }

  /** @param {string | null} reason @param {number} code */
  #ended(reason, code) {
    const { kind, text } = judged({ reason, code, error: this.#error });
    if (kind === "fail") this.#fail(text);
    else if (kind === "finish") this.#finish(text);
    else if (kind === "other-way") this.#otherWay(text);
    else this.#retry(text, kind === "crowded");
  }

  /** @param {string} text @param {boolean} [crowded] */
  #retry(text, crowded = false) {
    const begin = this.source === "clip" ? this.#view.clipPosition() : 0;
    this.#drop();
    this.#say(text);
    this.#become("reconnecting");
    this.#timer = window.setTimeout(() => this.#open(begin), this.#backoff.next(crowded) * 1000);
  }

  /** @param {string} text */
  #finish(text) {
    this.#stop();
    this.#say(text);
    this.#become("ended");
  }

  /** @param {string} text */
  #fail(text) {
    this.#stop();
    this.#say(text, "problem");
    this.#become("failed");
  }

  /** Ends what is under way, and keeps camera and microphone. */
  #drop() {
    this.#run += 1;
    window.clearTimeout(this.#timer);
    this.#transport?.close();
    this.#connection?.close();
    this.#transport = null;
    this.#connection = null;
  }

  #stop() {
    this.#drop();
    if (!this.#stream) return;
    closeCapture(this.#stream);
    this.#stream = null;
    this.#view.media(null);
  }

  /** @param {State} state */
  #become(state) {
    this.state = state;
    this.#view.state(state);
  }

  /** @param {string} text @param {"calm" | "problem"} [tone] */
  #say(text, tone = "calm") {
    this.#view.message(text, tone);
  }
}
