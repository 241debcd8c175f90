/** The log file of `build`: a line for each file and, on request, for its progress. */
import { appendFileSync, writeFileSync } from 'node:fs';
import { PyramidionError } from '../errors.js';
import type { BuildProgress } from '../ingest/types.js';

/** How much is logged, and where. */
export interface LogOptions {
  /** Null logs nothing. */
  readonly path: string | null;
  readonly append: boolean;
  /** Below 0 nothing; from 0 a line for each file; from 2 progress too. */
  readonly level: number;
  readonly progressMs: number;
}

/** Writes lines of `time text`. */
export class Log {
  readonly #options: LogOptions;
  readonly #lastProgress = new Map<string, number>();

  /** Errors: `OUTPUT_NOT_WRITABLE` when the file cannot be written. */
  constructor(options: LogOptions) {
    this.#options = options;
    if (options.path === null || options.level < 0) return;
    try {
      writeFileSync(options.path, '', { flag: options.append ? 'a' : 'w' });
    } catch (cause) {
      throw new PyramidionError('OUTPUT_NOT_WRITABLE', `the log ${options.path} cannot be written`, { cause });
    }
  }

  /** A file is done with. */
  line(text: string): void {
    this.#write(0, text);
  }

  /** A file is being worked on; written at most once in `progressMs`. */
  progress(source: string, { fraction, bytes }: BuildProgress): void {
    if (this.#options.level < 2) return;
    const now = performance.now();
    if (now - (this.#lastProgress.get(source) ?? Number.NEGATIVE_INFINITY) < this.#options.progressMs) return;
    this.#lastProgress.set(source, now);
    this.#write(2, `${source}: ${Math.floor(fraction * 100)}%, ${bytes} bytes`);
  }

  #write(level: number, text: string): void {
    const { path, level: limit } = this.#options;
    if (path === null || limit < level) return;
    // A log that can no longer be written does not stop the builds it tells of.
    try {
      appendFileSync(path, `${new Date().toISOString()} ${text.replace(/[\r\n]+/g, ' ')}\n`);
    } catch {}
  }
}
