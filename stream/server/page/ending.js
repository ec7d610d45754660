/** What the end of a socket means. No page in here: it runs anywhere. */

/**
 * @typedef {object} Ending
 * @property {string | null} reason Of `session.closed`, if the server sent one.
 * @property {number} code Of the socket.
 * @property {{code: string, message: string} | null} error The last one that the server told.
 *
 * @typedef {object} Verdict
 * @property {"fail" | "finish" | "other-way" | "retry" | "crowded"} kind
 * @property {string} text For the reader.
 */

const FINAL = new Set(["unauthorized", "source_failed"]);
const NOT_ALLOWED = 1008;
const CROWDED = 1013;

/** @param {Ending} ending @returns {Verdict} */
export function judged({ reason, code, error }) {
  if (error && FINAL.has(error.code)) return { kind: "fail", text: error.message };
  if (error?.code === "bad_offer") return { kind: "other-way", text: error.message };
  if (!error && code === NOT_ALLOWED) {
    return { kind: "fail", text: "The server does not allow this page. Open the address that it printed." };
  }
  if (reason === "ended") return { kind: "finish", text: "" };
  if (reason === "idle") return { kind: "finish", text: "The session ended because nothing came in any more." };
  if (error?.code === "too_many_sessions" || code === CROWDED) {
    return { kind: "crowded", text: "The server has as many sessions as it takes. Waiting for a free one." };
  }
  return { kind: "retry", text: `${error?.message ?? "The server cannot be reached."} Trying again.` };
}
