/** What is to be closed, in the order it was opened. */

/** Collects what was opened; the last is closed first. */
export class Closers {
  readonly #all: (() => Promise<unknown>)[] = [];
  #closing: Promise<void> | null = null;

  /** Takes over something that is open. */
  opened<Part extends { close(): Promise<unknown> }>(part: Part): Part {
    this.#all.push(() => part.close());
    return part;
  }

  /** Has `close` called when its turn comes. */
  push(close: () => unknown): void {
    this.#all.push(async () => close());
  }

  /** Closes everything, also when something cannot be closed: then rejects with the first failure. A second call yields the same promise. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const failures: unknown[] = [];
    for (const close of [...this.#all].reverse()) await close().catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  }
}
