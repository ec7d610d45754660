/** The microphone as packets of 40 ms. */

/** @import { Connection } from "./connection.js" */
import { packet, SOUND } from "./packet.js";

const PACKET = 0.04; // s
const FORGET = 0.0001; // s a packet that the estimate of the clocks' distance may grow again

export class SoundSender {
  #context = new AudioContext({ latencyHint: "interactive" });
  #stream;
  #connection;
  #sent;
  #distance = Infinity;
  #wake = () => void this.#context.resume();

  /** @param {MediaStream} stream @param {Connection} connection @param {() => void} sent Called after each packet. */
  constructor(stream, connection, sent) {
    this.#sent = sent;
    this.#stream = stream;
    this.#connection = connection;
  }

  /** @returns {Promise<void>} */
  async start() {
    const context = this.#context;
    await context.audioWorklet.addModule("/page/pcm-worklet.js");
    if (context.state === "closed") return;
    const worklet = new AudioWorkletNode(context, "pcm", {
      channelCount: 1,
      channelCountMode: "explicit",
      processorOptions: { samples: Math.round(PACKET * context.sampleRate) },
    });
    worklet.port.onmessage = ({ data }) => this.#send(data);
    context.createMediaStreamSource(new MediaStream(this.#stream.getAudioTracks())).connect(worklet);
    worklet.connect(context.destination); // it puts out silence; without an output it may not be run
    if (context.state === "suspended") {
      document.addEventListener("pointerdown", this.#wake, { once: true });
      this.#wake();
    }
  }

  stop() {
    document.removeEventListener("pointerdown", this.#wake);
    if (this.#context.state !== "closed") void this.#context.close();
  }

  /**
   * A message may be late but never early, so the smallest distance seen between the two clocks is the true one.
   * @param {{samples: ArrayBuffer, time: number, duration: number}} part
   */
  #send({ samples, time, duration }) {
    const seen = performance.now() / 1000 - (time + duration);
    this.#distance = Math.min(this.#distance + FORGET, seen);
    const start = time + this.#distance;
    this.#connection.sendBytes(packet(SOUND, this.#context.sampleRate, start, samples));
    this.#sent();
  }
}
