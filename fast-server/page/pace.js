// How long what is left takes, at the pace of the last seconds.

const OVER_MS = 20_000;
const LEAST_MS = 3000; // before it says anything
const EVERY_MS = 500;

/** Told how much is done, whenever it is drawn. */
export class Pace {
  #seen = []; // [when, how much was done]

  /** null while nobody can tell. */
  secondsLeft(done, left) {
    const now = Date.now();
    const [at, was] = this.#seen.at(-1) ?? [-Infinity, 0];
    if (done < was || now - at > OVER_MS) this.#seen = []; // begun anew, or after a rest
    if (!this.#seen.length || now - at > EVERY_MS) this.#seen.push([now, done]);
    while (this.#seen.length > 2 && now - this.#seen[1][0] > OVER_MS) this.#seen.shift();
    const [since, before] = this.#seen[0];
    if (done === before || now - since < LEAST_MS) return null;
    return (left * (now - since)) / (done - before) / 1000;
  }
}
