/**
 * What crosses files. The event is `stream/schema/sentiment-event-1.json`; a reader ignores what it does not know.
 *
 * @typedef {"text" | "audio" | "video"} Modality
 * @typedef {"ok" | "degraded" | "stale" | "missing"} ModalityState
 * @typedef {"negative" | "neutral" | "positive" | "unknown"} Label
 *
 * @typedef {object} Reading What one modality says alone.
 * @property {ModalityState} state
 * @property {number} quality 0 to 1.
 * @property {number | null} score -1 to 1.
 * @property {number} age Seconds since the last real sample.
 * @property {string | null} [reason] Why the state is not ok.
 *
 * @typedef {object} Word
 * @property {number} start Seconds of event time.
 * @property {number} end
 * @property {string} text
 * @property {number} probability
 * @property {boolean} final Nothing will correct it any more.
 *
 * @typedef {object} Face
 * @property {number} id
 * @property {"speaking" | "largest"} chosen
 * @property {[number, number, number, number]} box x0, y0, x1, y1 in shares of the picture.
 *
 * @typedef {object} SentimentEvent
 * @property {string} event_id
 * @property {string} stream
 * @property {{index: number, start: number, end: number}} window Seconds of event time.
 * @property {{score: number | null, label: Label, interval: [number, number] | null}} sentiment
 * @property {Record<Modality, number>} trust In sum 1 over those present.
 * @property {Record<Modality, Reading>} modalities
 * @property {{text: string, final: boolean, words?: Word[]}} transcript
 * @property {number} faces
 * @property {Face | null} [face]
 * @property {{capture_to_event_ms: number, engine_ms: number}} latency
 * @property {{backend: string, model: string, hash: string}} engine
 *
 * @typedef {object} Arrival An event, and when it came.
 * @property {SentimentEvent} event
 * @property {number} ageMs How long ago its window ended when the server sent it.
 * @property {number} at Seconds on `performance.now()` when it came.
 *
 * @typedef {object} Created The server's first message.
 * @property {string} session
 * @property {string} model
 * @property {string} engine
 * @property {number} window Seconds.
 * @property {number} hop Seconds.
 *
 * @typedef {object} Configured
 * @property {"webrtc" | "socket" | "clip"} source
 * @property {string} [answer] SDP.
 * @property {number} [duration] Seconds.
 * @property {string} [media]
 * @property {number} [begin] Seconds.
 *
 * @typedef {object} Switches What is done to the picture and the sound, on the server.
 * @property {boolean} muted
 * @property {boolean} babble
 * @property {boolean} covered
 * @property {boolean} blurred
 * @property {boolean} frozen
 * @property {boolean} dropping
 * @property {Modality[]} off
 *
 * @typedef {"idle" | "connecting" | "live" | "reconnecting" | "paused" | "ended" | "failed"} State
 * @typedef {"camera" | "clip"} Source
 */

/** @type {Modality[]} */
export const MODALITIES = ["text", "audio", "video"];

/** @type {(keyof Omit<Switches, "off">)[]} */
export const EFFECTS = ["muted", "babble", "covered", "blurred", "frozen", "dropping"];

/** @returns {Switches} Nothing switched on. */
export function noSwitches() {
  return {
    muted: false, babble: false, covered: false, blurred: false, frozen: false, dropping: false, off: [],
  };
}
