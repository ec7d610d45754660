/** How long to wait before the next try. No page in here: it runs anywhere. */

const FIRST = 0.5;
const LONGEST = 5;
const CROWDED = 10; // s, when the server has as many sessions as it takes

export class Backoff {
  #tries = 0;

  /**
   * @param {boolean} [crowded]
   * @returns {number} Seconds to wait now: 0.5, 1, 2, 4, 5, 5, …; 10 where it is crowded.
   */
  next(crowded = false) {
    if (crowded) return CROWDED;
    const wait = Math.min(LONGEST, FIRST * 2 ** this.#tries);
    this.#tries += 1;
    return wait;
  }

  reset() {
    this.#tries = 0;
  }
}
