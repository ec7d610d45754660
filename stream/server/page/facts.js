/** The corner: latency, engine, model, the way in, the stream, and the link to the event itself. */

/** @import { Arrival, Created } from "./types.js" */
import { made, part, write } from "./page.js";

/** @type {Record<string, string>} */
const WAYS = { webrtc: "WebRTC", socket: "WebSocket", clip: "Clip" };
const SMOOTH = 0.3; // of each new figure in what is shown

export class Facts {
  #latency = part("latency");
  /** @type {HTMLAnchorElement} */
  #link = part("event-link");
  #total = made("strong", { text: "–" });
  #parts = made("span");
  #page = 0;
  /** @type {string | null} */
  #kept = null;

  /** @param {Created} created */
  created(created) {
    write(part("fact-engine"), created.engine);
    write(part("fact-model"), created.model);
    write(part("fact-stream"), created.session);
    this.#page = 0;
    this.#latency.replaceChildren();
    this.#unlink();
  }

  /** @param {string} transport */
  transport(transport) {
    const way = WAYS[transport] ?? transport;
    write(part("fact-transport"), way);
    write(part("way"), `${way}, ${part("fact-engine").textContent}`);
  }

  /** Called when the event has been drawn. @param {Arrival} arrival */
  drawn({ event, at }) {
    const page = performance.now() - at * 1000;
    this.#page = this.#page ? this.#page + SMOOTH * (page - this.#page) : page;
    const server = event.latency.capture_to_event_ms;
    write(this.#total, `${Math.round(server + this.#page)} ms`);
    this.#parts.textContent = " latency";
    const [there, here] = [server, this.#page].map(Math.round);
    this.#latency.title = `${there} ms from the end of the window to its event, ${here} ms more to this page`;
    if (!this.#latency.childElementCount) this.#latency.append(this.#total, this.#parts);
    write(part("fact-engine"), event.engine.backend);
    write(part("fact-model"), event.engine.model);
    this.#unlink();
    this.#link.href = `/v1/streams/${encodeURIComponent(event.stream)}/events/${event.window.index}`;
    this.#link.removeAttribute("aria-disabled");
  }

  /** The stream is over and the server forgets it: the link shows the page's own copy. @param {Arrival | null} last */
  over(last) {
    this.#unlink();
    if (!last) return;
    this.#kept = URL.createObjectURL(new Blob([JSON.stringify(last.event, null, 2)], { type: "application/json" }));
    this.#link.href = this.#kept;
    this.#link.removeAttribute("aria-disabled");
  }

  #unlink() {
    if (this.#kept) URL.revokeObjectURL(this.#kept);
    this.#kept = null;
    this.#link.removeAttribute("href");
    this.#link.setAttribute("aria-disabled", "true");
  }
}
