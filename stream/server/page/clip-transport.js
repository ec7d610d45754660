/** The bundled clip: the server plays it, the page only says where to start. */

export class ClipTransport {
  /** @type {"clip"} */
  name = "clip";

  /** @param {number} begin Seconds. */
  constructor(begin) {
    this.start = begin;
  }

  /** @returns {Promise<object>} */
  async configuration() {
    return { source: "clip", begin: this.start };
  }

  /** @returns {Promise<void>} */
  async begin() {}

  close() {}
}
