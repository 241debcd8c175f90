/** Lines in a file for each day, written behind the back of whoever logs. */
import { appendFile, mkdir, readdir, unlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { invalidOption, PyramidionError } from '../errors.js';
import { localDate, localMidnight } from './time.js';

/** Where the lines go. */
export interface DailyFileOptions {
  /** Made when it is missing. */
  readonly folder: string;
  /** Files are called `<prefix>yyyy-mm-dd.log`. */
  readonly prefix: string;
  /** Days before today whose files stay; older ones are removed, if their names are of that form. */
  readonly maxDays: number;
  /** Is told once when lines begin to be lost, and when an old file cannot be removed. */
  readonly onWarning: (message: string, error: unknown) => void;
  /** Most bytes that wait to be written; lines beyond are lost. Default 16 MiB. */
  readonly maxBacklogBytes?: number | undefined;
  /** Milliseconds that a line waits for others at most. Default 1000. */
  readonly delayMs?: number | undefined;
  /** Milliseconds since 1970. Default `Date.now`; asked at the opening only. */
  readonly now?: (() => number) | undefined;
  /** Appends to a file, all or nothing as far as that can be had. Default: to the disk, in append mode. */
  readonly append?: ((path: string, bytes: Uint8Array) => Promise<void>) | undefined;
}

/** Characters that become a batch at once: few enough that making bytes of them does not hold up replies. */
const BATCH = 65_536;
/** How far the clock may go back before a line belongs to an earlier day. Replies end in any order, around midnight too. */
const SLACK_MS = 3_600_000;

/** Whole lines of one file. */
interface Batch {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly lines: number;
}

/**
 * Collects lines and appends them to the file of their day, a batch at a time. Several processes may write to the same
 * files: a batch is whole lines, in one write in append mode. Memory is bounded: when the disk is slower than the lines
 * come, or fails, lines are lost and counted.
 */
export class DailyFile {
  readonly #options: DailyFileOptions;
  readonly #maxBacklog: number;
  readonly #append: (path: string, bytes: Uint8Array) => Promise<void>;
  #path = '';
  #dayStart = Number.POSITIVE_INFINITY;
  #dayEnd = Number.NEGATIVE_INFINITY;
  #pending = '';
  #pendingLines = 0;
  /** Batches that nobody has begun to write. */
  #queue: Batch[] = [];
  /** Bytes of all batches that are not on the disk. */
  #backlog = 0;
  /** Settles when the last batch is written, and what is too old is gone. */
  #tail: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | null = null;
  #lost = 0;
  #isLosing = false;
  #isClosed = false;

  private constructor(options: DailyFileOptions) {
    this.#options = options;
    this.#maxBacklog = options.maxBacklogBytes ?? 16 * 1024 ** 2;
    this.#append = options.append ?? appendTo;
  }

  /**
   * Opens today's file and removes what is too old. Errors: `INVALID_OPTION` when the prefix is no beginning of a file's
   * name; `OUTPUT_NOT_WRITABLE` when the folder cannot be made or written to.
   */
  static async open(options: DailyFileOptions): Promise<DailyFile> {
    const { folder, prefix, now = Date.now } = options;
    if (/[/\\\p{Cc}]/u.test(prefix)) throw invalidOption('prefix', prefix, 'the beginning of a file name');
    const file = new DailyFile(options);
    file.#startDay(now());
    try {
      await mkdir(folder, { recursive: true });
      await file.#append(file.#path, new Uint8Array());
    } catch (cause) {
      throw new PyramidionError('OUTPUT_NOT_WRITABLE', `the log ${file.#path} cannot be written`, { cause });
    }
    await file.#tail;
    return file;
  }

  /** Lines that were lost since the opening. */
  get lost(): number {
    return this.#lost;
  }

  /** Adds a line, its end included, of the moment `at` (milliseconds since 1970). Never throws, never waits. */
  write(line: string, at: number): void {
    if (at >= this.#dayEnd || at < this.#dayStart) this.#startDay(at);
    if (this.#isClosed || this.#backlog + this.#pending.length + line.length > this.#maxBacklog) {
      this.#lose(1, 'the disk is too slow', null);
      return;
    }
    this.#pending += line;
    this.#pendingLines++;
    if (this.#pending.length >= BATCH) this.#send();
    else this.#timer ??= setTimeout(() => this.#send(), this.#options.delayMs ?? 1000).unref();
  }

  /** Resolves when all lines so far are in the file, or lost. */
  flush(): Promise<void> {
    this.#send();
    return this.#tail;
  }

  /** As {@link flush}; lines that come later are lost. May be called more than once. */
  close(): Promise<void> {
    this.#isClosed = true;
    return this.flush();
  }

  #startDay(at: number): void {
    this.#send();
    this.#path = join(this.#options.folder, `${this.#options.prefix}${localDate(at)}.log`);
    this.#dayStart = localMidnight(at, 0) - SLACK_MS;
    this.#dayEnd = localMidnight(at, 1);
    this.#tail = this.#tail.then(() => this.#removeOld(at));
  }

  #send(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#pendingLines === 0) return;
    const bytes = Buffer.from(this.#pending);
    this.#queue.push({ path: this.#path, bytes, lines: this.#pendingLines });
    this.#backlog += bytes.length;
    this.#pending = '';
    this.#pendingLines = 0;
    this.#tail = this.#tail.then(() => this.#writeQueued());
  }

  /** Writes what is queued for the first of the files. What has queued up behind a slow disk goes to it in one write. */
  async #writeQueued(): Promise<void> {
    const path = this.#queue[0]?.path;
    // An earlier turn may have taken this one's batch, too.
    if (path === undefined) return;
    const next = this.#queue.findIndex((batch) => batch.path !== path);
    const batches = this.#queue.splice(0, next < 0 ? this.#queue.length : next);
    const bytes = Buffer.concat(batches.map((batch) => batch.bytes));
    try {
      await this.#append(path, bytes);
      this.#backlog -= bytes.length;
      if (this.#backlog <= this.#maxBacklog / 2) this.#isLosing = false;
    } catch (error) {
      this.#backlog -= bytes.length;
      const lines = batches.reduce((sum, batch) => sum + batch.lines, 0);
      this.#lose(lines, 'it cannot be written', error);
    }
  }

  #lose(lines: number, reason: string, error: unknown): void {
    this.#lost += lines;
    if (this.#isLosing || this.#isClosed) return;
    this.#isLosing = true;
    this.#options.onWarning(`lines of the log ${basename(this.#path)} are lost: ${reason}`, error);
  }

  async #removeOld(now: number): Promise<void> {
    const { folder, prefix, maxDays, onWarning } = this.#options;
    const oldest = localDate(localMidnight(now, -maxDays));
    try {
      for (const entry of await readdir(folder, { withFileTypes: true })) {
        if (!entry.isFile() || !entry.name.startsWith(prefix)) continue;
        const date = /^(\d{4}-\d\d-\d\d)\.log$/.exec(entry.name.slice(prefix.length))?.[1];
        if (date !== undefined && date < oldest) await unlink(join(folder, entry.name)).catch(ignoreMissing);
      }
    } catch (error) {
      if (!isMissing(error)) onWarning(`old logs in ${folder} cannot be removed`, error);
    }
  }
}

/** Appends in one write where the disk takes it in one. The folder may have been removed since. */
async function appendTo(path: string, bytes: Uint8Array): Promise<void> {
  try {
    await appendFile(path, bytes);
  } catch (error) {
    ignoreMissing(error);
    await mkdir(join(path, '..'), { recursive: true });
    await appendFile(path, bytes);
  }
}

/** Another process that writes to the same files removes old ones, too. */
function ignoreMissing(error: unknown): void {
  if (!isMissing(error)) throw error;
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
