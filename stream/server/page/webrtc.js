/** Camera and microphone by WebRTC. */

/** @import { Configured } from "./types.js" */

const GATHERING = 2; // s at most for the candidates of this machine
const CONNECTING = 5; // s until another way is taken

/** @param {RTCPeerConnection} peer @returns {Promise<void>} When all candidates are in the offer, or time is up. */
function gathered(peer) {
  if (peer.iceGatheringState === "complete") return Promise.resolve();
  return new Promise((resolve) => {
    setTimeout(resolve, GATHERING * 1000);
    peer.addEventListener("icegatheringstatechange", () => {
      if (peer.iceGatheringState === "complete") resolve();
    });
  });
}

export class WebrtcTransport {
  /** @type {"webrtc"} */
  name = "webrtc";
  #peer = new RTCPeerConnection({ iceServers: [] });
  #connected = false;

  /**
   * @param {MediaStream} stream
   * @param {() => void} lost Called when a connection that stood has failed.
   */
  constructor(stream, lost) {
    for (const track of stream.getTracks()) {
      this.#peer.addTransceiver(track, { direction: "sendonly", streams: [stream] });
    }
    this.#peer.addEventListener("connectionstatechange", () => {
      if (this.#connected && ["failed", "closed"].includes(this.#peer.connectionState)) lost();
    });
  }

  /** @returns {Promise<object>} */
  async configuration() {
    await this.#peer.setLocalDescription(await this.#peer.createOffer());
    await gathered(this.#peer);
    return { source: "webrtc", offer: this.#peer.localDescription?.sdp };
  }

  /** @param {Configured} configured @returns {Promise<void>} When media flows. Rejects when it does not within 5 s. */
  async begin(configured) {
    const connected = new Promise((resolve, reject) => {
      const late = () => reject(new Error("WebRTC did not connect"));
      const timer = setTimeout(late, CONNECTING * 1000);
      const look = () => {
        const state = this.#peer.connectionState;
        if (state === "connected" || state === "failed" || state === "closed") clearTimeout(timer);
        if (state === "connected") resolve(undefined);
        else if (state === "failed" || state === "closed") late();
      };
      this.#peer.addEventListener("connectionstatechange", look);
      look();
    });
    await this.#peer.setRemoteDescription({ type: "answer", sdp: configured.answer ?? "" });
    await connected;
    this.#connected = true;
  }

  close() {
    this.#connected = false;
    this.#peer.close();
  }
}
