/** Which entries were read lately, told to the account of the disk from time to time. */

const EVERY_MS = 1000;

/** Gathers keys and passes them on once a second, or when asked: nobody has to reach the account for each read. */
export class Uses {
  /** Counts up each time the keys were passed on: whoever notes a key twice in a round may leave out the second. */
  round = 1;
  readonly #report: (keys: readonly string[]) => void;
  #keys: string[] = [];
  #timer: NodeJS.Timeout | null = null;

  /** @param report is given keys in the order in which they were noted, each once or more */
  constructor(report: (keys: readonly string[]) => void) {
    this.#report = report;
  }

  /** Notes that a key's entry was read now. */
  note(key: string): void {
    this.#keys.push(key);
    this.#timer ??= setTimeout(() => this.flush(), EVERY_MS).unref();
  }

  /** Passes on what was noted since the last time. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.round += 1;
    if (this.#keys.length === 0) return;
    const keys = this.#keys;
    this.#keys = [];
    this.#report(keys);
  }
}
