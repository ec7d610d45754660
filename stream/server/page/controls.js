/** What can be done: start, pause, switch, record. Buttons only; what they mean is told to them. */

/** @import { Source, State, Switches } from "./types.js" */
import { part, write } from "./page.js";
import { EFFECTS } from "./types.js";

/**
 * @typedef {object} Wishes
 * @property {(source: Source) => void} start
 * @property {() => void} pauseOrResume
 * @property {(name: typeof EFFECTS[number]) => void} toggle
 * @property {() => void} record Begin, or stop and save.
 * @property {(on: boolean) => void} sound Of the clip, on this page.
 */

/** @type {Record<State, string>} */
const PRESENCE = {
  idle: "Ready", connecting: "Connecting", live: "Live", reconnecting: "Reconnecting", paused: "Paused",
  ended: "Ended", failed: "Stopped",
};

/** @type {Partial<Record<State, [string, string]>>} */
const WELCOME = {
  paused: ["Paused", "Camera and microphone are released. Nothing is sent."],
  ended: ["That was it", "Play it again, or try your own camera and microphone."],
  failed: ["This did not work", "What happened is said above. The clip needs no camera."],
};

/** @param {HTMLElement} button @param {string} icon @param {string} text */
function face(button, icon, text) {
  button.querySelector("use")?.setAttribute("href", `#i-${icon}`);
  const words = button.querySelector("span");
  if (words) write(words, text);
}

export class Controls {
  /** @type {HTMLButtonElement} */
  #pause = part("pause");
  /** @type {HTMLButtonElement} */
  #record = part("record");
  /** @type {HTMLButtonElement} */
  #sound = part("sound");
  /** @type {HTMLInputElement} */
  #withMedia = part("with-media");

  /** @param {Wishes} wishes */
  constructor(wishes) {
    part("start-camera").addEventListener("click", () => wishes.start("camera"));
    part("start-clip").addEventListener("click", () => wishes.start("clip"));
    this.#pause.addEventListener("click", () => wishes.pauseOrResume());
    this.#record.addEventListener("click", () => wishes.record());
    this.#sound.addEventListener("click", () => {
      const on = this.#sound.getAttribute("aria-pressed") !== "true";
      this.#sound.setAttribute("aria-pressed", String(on));
      face(this.#sound, on ? "loud" : "quiet", "Sound");
      wishes.sound(on);
    });
    for (const name of EFFECTS) this.#switch(name).addEventListener("click", () => wishes.toggle(name));
  }

  get withMedia() {
    return this.#withMedia.checked;
  }

  /** @param {State} state @param {Source} source */
  become(state, source) {
    const running = state === "live" || state === "connecting" || state === "reconnecting";
    write(part("presence"), PRESENCE[state]);
    this.#pause.disabled = !running && state !== "paused";
    face(this.#pause, state === "paused" ? "play" : "pause", state === "paused" ? "Resume" : "Pause");
    this.#sound.hidden = source !== "clip" || !running;
    part("tick").hidden = source === "clip" && state !== "idle";
    this.recording(this.#record.getAttribute("aria-pressed") === "true", running);
    const chosen = running && part("welcome").contains(document.activeElement);
    part("welcome").hidden = running;
    if (chosen) this.#pause.focus(); // what had the focus is gone
    part("welcome").dataset.over = String(state === "paused" || state === "ended");
    this.#invite(state, source);
  }

  /** @param {boolean} on @param {boolean} running */
  recording(on, running) {
    this.#record.disabled = !running && !on;
    this.#record.setAttribute("aria-pressed", String(on));
    this.#withMedia.disabled = on;
    face(this.#record, on ? "stop" : "record", on ? "Stop and save" : "Record");
  }

  /** @param {Switches} switches */
  switched(switches) {
    for (const name of EFFECTS) this.#switch(name).setAttribute("aria-pressed", String(switches[name]));
  }

  /** @param {State} state @param {Source} source */
  #invite(state, source) {
    const words = WELCOME[state];
    if (words) {
      write(part("welcome-title"), words[0]);
      write(part("welcome-words"), state === "paused" && source === "clip" ? "The clip goes on from here." : words[1]);
    }
    const here = state === "paused" ? source : null;
    const again = state === "ended" && source === "clip";
    face(part("start-camera"), "camera", here === "camera" ? "Resume" : "Start with camera and microphone");
    face(part("start-clip"), "play", here === "clip" ? "Resume" : again ? "Play again" : "Play the clip");
    const first = here === "clip" || again ? "start-clip" : "start-camera";
    for (const id of ["start-camera", "start-clip"]) part(id).className = id === first ? "primary" : "second";
  }

  /** @param {string} name @returns {HTMLElement} */
  #switch(name) {
    return /** @type {HTMLElement} */ (document.querySelector(`[data-switch="${name}"]`));
  }
}
