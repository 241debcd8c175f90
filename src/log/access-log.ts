/** The access log: a line for each reply. */
import { DailyFile, type DailyFileOptions } from './daily-file.js';
import { compilePattern, DEFAULT_PATTERN } from './pattern.js';
import type { AccessEntry } from './types.js';

/** Where the access log goes and what its lines are. */
export interface AccessLogOptions extends Omit<DailyFileOptions, 'prefix' | 'maxDays'> {
  /** Default `access-`. */
  readonly prefix?: string | undefined;
  /** Default 10. */
  readonly maxDays?: number | undefined;
  /** See {@link compilePattern}. Default {@link DEFAULT_PATTERN}. */
  readonly pattern?: string | undefined;
}

/** Writes entries to a file for each day, `access-yyyy-mm-dd.log`. */
export class AccessLog {
  readonly #file: DailyFile;
  readonly #lineOf: (entry: AccessEntry) => string;

  private constructor(file: DailyFile, lineOf: (entry: AccessEntry) => string) {
    this.#file = file;
    this.#lineOf = lineOf;
  }

  /** Opens today's file. Errors: those of {@link compilePattern} and {@link DailyFile.open}. Whoever opens it closes it. */
  static async open(options: AccessLogOptions): Promise<AccessLog> {
    const { prefix = 'access-', maxDays = 10, pattern = DEFAULT_PATTERN } = options;
    const lineOf = compilePattern(pattern);
    return new AccessLog(await DailyFile.open({ ...options, prefix, maxDays }), lineOf);
  }

  /** Entries that were lost, because the disk was too slow or failed. */
  get lost(): number {
    return this.#file.lost;
  }

  /** Adds an entry: it is in the file of its day after a second at most. Never throws, never waits. */
  write(entry: AccessEntry): void {
    this.#file.write(this.#lineOf(entry), entry.sentAt);
  }

  /** Resolves when all entries so far are in the file, or lost. */
  flush(): Promise<void> {
    return this.#file.flush();
  }

  /** As {@link flush}; entries that come later are lost. */
  close(): Promise<void> {
    return this.#file.close();
  }
}
