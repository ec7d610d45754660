/** The picture: camera or clip, the face that is read, and what is done to picture and sound. */

/** @import { SentimentEvent, State, Switches } from "./types.js" */
import { boxOnStage } from "./framing.js";
import { made, part, write } from "./page.js";
import { EFFECTS } from "./types.js";
import { facesInWords } from "./wording.js";

/** @type {Record<typeof EFFECTS[number], string>} */
const DONE = {
  muted: "Muted", babble: "Babble added", covered: "Covered", blurred: "Out of focus", frozen: "Frozen",
  dropping: "9 of 10 pictures lost",
};
const ROOM = 32; // px above a face for its name

export class Stage {
  #stage = part("stage");
  /** @type {HTMLVideoElement} */
  video = part("video");
  /** @type {HTMLCanvasElement} */
  #still = part("still");
  #box = part("facebox");
  #name = part("facename");
  #faces = part("faces");
  /** @type {SentimentEvent["face"]} */
  #face = null;

  constructor() {
    new ResizeObserver(() => this.#place()).observe(this.#stage);
    this.video.addEventListener("resize", () => this.#place());
    this.video.addEventListener("loadeddata", () => this.#picture());
    this.video.addEventListener("emptied", () => this.#picture());
  }

  /** @param {MediaStream | null} stream Shown as in a mirror. */
  camera(stream) {
    this.#stage.dataset.mirrored = String(stream !== null);
    this.video.srcObject = stream;
    this.#picture();
    if (stream) void this.video.play().catch(() => undefined);
  }

  /** @param {State} state */
  become(state) {
    const running = state === "live" || state === "reconnecting" || state === "connecting";
    if (!running) this.clear();
    this.#picture();
    part("placeholder").hidden = !running || this.#seen;
    const words = state === "connecting" ? "Connecting" : "No picture. Words and voice are still read.";
    write(part("placeholder-words"), words);
  }

  /** @param {SentimentEvent} event */
  show(event) {
    this.#face = event.face ?? null;
    this.#faces.hidden = false;
    write(this.#faces, facesInWords(event.faces));
    this.#place();
  }

  clear() {
    this.#face = null;
    this.#faces.hidden = true;
    this.#place();
  }

  /** @param {Switches} switches */
  done(switches) {
    this.#stage.dataset.blurred = String(switches.blurred);
    part("cover").hidden = !switches.covered;
    this.#freeze(switches.frozen);
    const active = EFFECTS.filter((name) => switches[name]);
    part("done").replaceChildren(...active.map((name) => made("li", { text: DONE[name] })));
  }

  get #seen() {
    const source = this.video.srcObject;
    return source instanceof MediaStream ? source.getVideoTracks().length > 0 : this.video.videoWidth > 0;
  }

  #picture() {
    this.video.hidden = !this.#seen;
    if (this.#seen) part("placeholder").hidden = true;
  }

  /** @param {boolean} frozen */
  #freeze(frozen) {
    const { videoWidth, videoHeight } = this.video;
    const still = frozen && videoWidth > 0;
    if (still && this.#still.hidden) {
      this.#still.width = videoWidth;
      this.#still.height = videoHeight;
      this.#still.getContext("2d")?.drawImage(this.video, 0, 0);
    }
    this.#still.hidden = !still;
  }

  #place() {
    const face = this.#face;
    const picture = { width: this.video.videoWidth, height: this.video.videoHeight };
    this.#box.hidden = !face || !picture.width;
    if (!face || !picture.width) return;
    const stage = { width: this.#stage.clientWidth, height: this.#stage.clientHeight };
    const place = boxOnStage(face.box, picture, stage, this.#stage.dataset.mirrored === "true");
    this.#box.dataset.high = String(place.top < ROOM);
    this.#box.style.setProperty("transform", `translate(${place.left}px, ${place.top}px)`);
    this.#box.style.setProperty("width", `${place.width}px`);
    this.#box.style.setProperty("height", `${place.height}px`);
    write(this.#name, `Face ${face.id}, ${face.chosen === "speaking" ? "speaking" : "the largest"}`);
  }
}
