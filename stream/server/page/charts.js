/** The last minute: scores above, the pile of trust below, on one time axis. */

/** @import { History, Column, Moment } from "./history.js" */
import { made, part, write } from "./page.js";
import { colour } from "./theme.js";
import { MODALITIES } from "./types.js";
import { NAMES, percent, signed } from "./wording.js";

/** @type {any} A plain script, loaded before the modules. */
const uPlot = /** @type {any} */ (globalThis).uPlot;
const SHORTEST = 30; // s shown at first, until there is more
const EDGE = 34; // px beside the plot, the same above and below so that the times meet
const HIDDEN = { show: false };
const DESCRIBE_AGAIN = 5000; // ms

/** Colours of the theme, read anew by each drawing after `refresh()`. */
class Palette {
  /** @type {Map<string, string>} */
  #known = new Map();
  refresh = () => this.#known.clear();
  /** @param {string} name */
  of = (name) => () => {
    if (!this.#known.has(name)) this.#known.set(name, colour(name));
    return this.#known.get(name);
  };
}

/** @param {number} min @param {number} max @returns {number[]} Round numbers of seconds before the end. */
function ticks(min, max) {
  const apart = max - min > 45 ? 15 : 10;
  const count = Math.floor((max - min) / apart + 0.01);
  return Array.from({ length: count + 1 }, (_, index) => max - (count - index) * apart);
}

/** @param {HTMLElement} place */
const sizeOf = (place) => ({ width: Math.floor(place.clientWidth), height: Math.floor(place.clientHeight) });

export class Charts {
  #history;
  #palette = new Palette();
  #places = [part("chart"), part("share")];
  /** @type {any[]} */
  #plots;
  /** @type {Record<string, HTMLElement>} */
  #values = {};
  #describedAt = -Infinity;

  /** @param {History} history */
  constructor(history) {
    this.#history = history;
    this.#legend();
    this.#plots = [this.#scorePlot(this.#places[0]), this.#trustPlot(this.#places[1])];
    const observer = new ResizeObserver(() => {
      this.#plots.forEach((plot, index) => plot.setSize(sizeOf(this.#places[index])));
    });
    this.#places.forEach((place) => observer.observe(place));
  }

  refreshTheme() {
    this.#palette.refresh();
    for (const plot of this.#plots) plot.redraw(false, true);
  }

  show() {
    const newest = this.#history.newest?.time ?? 0;
    const span = newest - (this.#history.moments[0]?.time ?? newest);
    const range = { min: newest - Math.min(this.#history.seconds, Math.max(SHORTEST, span)), max: newest };
    const columns = [this.#history.scores(), this.#history.trust()];
    this.#plots.forEach((plot, index) => {
      plot.batch(() => {
        plot.setData(columns[index], false);
        plot.setScale("x", range);
      });
    });
    this.#tell(this.#history.newest);
    this.#describe();
  }

  #legend() {
    const entries = [["score", "Score", ""], ["interval", "interval", "wide"]];
    for (const name of MODALITIES) entries.push([name, NAMES[name], ""]);
    for (const [key, text, kind] of entries) {
      const value = made("b", { text: "–" });
      this.#values[key] = value;
      const inside = kind === "wide" ? [made("i"), text] : [made("i"), text, value];
      part("legend").append(made("li", { class: kind, "data-modality": key }, inside));
    }
  }

  /** @param {any[]} axes @param {[number, number]} values */
  #options(axes, values) {
    const tell = (/** @type {any} */ plot) => {
      const index = plot.cursor.idx;
      this.#tell(index === null || index === undefined ? this.#history.newest : this.#history.moments[index]);
    };
    return {
      legend: { show: false },
      padding: [8, 18, 0, 0],
      cursor: { y: false, drag: { x: false, y: false }, points: HIDDEN, sync: { key: "minute" } },
      scales: { x: { time: false, auto: false }, y: { auto: false, range: values } },
      axes,
      hooks: { setCursor: [tell] },
    };
  }

  /** @param {number[]} splits @param {(value: number) => string} text */
  #upright(splits, text) {
    return {
      side: 3, size: EDGE, gap: 6, stroke: this.#palette.of("soft"), font: "12px system-ui, sans-serif",
      grid: { stroke: this.#palette.of("grid"), width: 1 }, ticks: HIDDEN,
      splits: () => splits, values: (/** @type {any} */ _plot, /** @type {number[]} */ at) => at.map(text),
    };
  }

  /** @param {boolean} named */
  #times(named) {
    const ago = (/** @type {any} */ plot, /** @type {number} */ value) => {
      const seconds = Math.round(plot.scales.x.max - value);
      return seconds === 0 ? "now" : `${seconds} s`;
    };
    return {
      side: 2, size: named ? 24 : 4, gap: 5, stroke: this.#palette.of("soft"), font: "12px system-ui, sans-serif",
      grid: { stroke: this.#palette.of("grid"), width: 1 }, ticks: HIDDEN,
      splits: (/** @type {any} */ plot) => ticks(plot.scales.x.min, plot.scales.x.max),
      values: (/** @type {any} */ plot, /** @type {number[]} */ at) => at.map((time) => (named ? ago(plot, time) : "")),
    };
  }

  /** @param {HTMLElement} place */
  #scorePlot(place) {
    const { of } = this.#palette;
    const edge = { stroke: "transparent", width: 0, points: HIDDEN };
    const upright = this.#upright([-1, 0, 1], (value) => (value === 0 ? "0" : signed(value).slice(0, 2)));
    return new uPlot({
      ...sizeOf(place),
      ...this.#options([this.#times(false), upright], [-1.06, 1.06]),
      series: [
        {},
        { stroke: of("ink"), width: 2.4, points: HIDDEN },
        edge,
        edge,
        ...MODALITIES.map((name) => ({ stroke: of(name), width: 1.3, points: HIDDEN })),
      ],
      bands: [{ series: [2, 3], fill: of("band") }],
    }, this.#history.scores(), place);
  }

  /** @param {HTMLElement} place */
  #trustPlot(place) {
    const { of } = this.#palette;
    const pile = ["video", "audio", "text"];
    return new uPlot({
      ...sizeOf(place),
      ...this.#options([this.#times(true), this.#upright([0, 1], (value) => (value ? "trust" : ""))], [0, 1]),
      series: [{}, ...pile.map((name) => ({ fill: of(name), stroke: of("panel"), width: 1, points: HIDDEN }))],
    }, this.#history.trust(), place);
  }

  /** @param {Moment | undefined} moment */
  #tell(moment) {
    write(this.#values.score, signed(moment?.score ?? null));
    for (const name of MODALITIES) write(this.#values[name], signed(moment?.alone[name] ?? null));
  }

  /** The charts in words, for those who cannot see them. */
  #describe() {
    if (performance.now() - this.#describedAt < DESCRIBE_AGAIN) return;
    this.#describedAt = performance.now();
    const scores = this.#history.moments.flatMap(({ score }) => (score === null ? [] : [score]));
    const trust = this.#history.newest?.trust;
    const [least, most] = [Math.min(...scores), Math.max(...scores)].map((score) => signed(score));
    const reach = scores.length ? `between ${least} and ${most}` : "none";
    const now = scores.length ? `, now ${signed(scores[scores.length - 1])}` : "";
    const shares = trust ? MODALITIES.map((name) => `${NAMES[name]} ${percent(trust[name])}`).join(", ") : "none";
    this.#places[0].setAttribute("aria-label", `Score over the last minute: ${reach}${now}`);
    this.#places[1].setAttribute("aria-label", `Trust over the last minute, now: ${shares}`);
  }
}
