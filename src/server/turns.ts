/** Who is served next when more is asked than can be understood at once. */

/** Requests that are begun in one turn of the event loop; the turn before the next one takes what has come meanwhile. */
const PER_TURN = 2;

/**
 * Lets a few requests begin in each turn of the event loop, so that new ones are seen between them: those for a part of a view (mostly stored
 * tiles) come before all others. Without it, hundreds that are put off make everyone else wait for all of them. A request that finds
 * nobody waiting begins at once.
 */
export class Turns {
  readonly #urgent: (() => void)[] = [];
  readonly #others: (() => void)[] = [];
  #begun = 0;
  #isScheduled = false;

  /** Resolves when the request may begin: undefined when that is now. */
  next(isUrgent: boolean): Promise<void> | undefined {
    this.#schedule();
    if (this.#begun < PER_TURN && this.#urgent.length + this.#others.length === 0) {
      this.#begun += 1;
      return undefined;
    }
    return new Promise((resolve) => {
      (isUrgent ? this.#urgent : this.#others).push(resolve);
    });
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#isScheduled = false;
    this.#begun = 0;
    for (; this.#begun < PER_TURN; this.#begun++) {
      const begin = this.#urgent.shift() ?? this.#others.shift();
      if (begin === undefined) return;
      begin();
    }
    this.#schedule();
  }
}
