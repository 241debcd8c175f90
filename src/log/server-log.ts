/** The server log: what the server does and what goes wrong, as text or as JSON. */
import { pino } from 'pino';
import { PyramidionError } from '../errors.js';
import { DailyFile } from './daily-file.js';
import { type Facts, type ServerStats, statsFacts } from './stats.js';
import { stampWriter } from './time.js';

/**
 * How much is told: 1 starts, stops and connections; 2 and opening and closing of sources; 3 and requests and deliveries; 4
 * everything. Warnings, errors and statistics always are.
 */
export type TraceLevel = 1 | 2 | 3 | 4;

/** Where the server log goes and how much it tells. */
export interface ServerLogOptions {
  /** null: to `stream`. */
  readonly folder: string | null;
  /** Port that the server listens on: part of the files' names. */
  readonly port: number;
  /** Default 10: see `DailyFileOptions.maxDays`. */
  readonly maxDays?: number | undefined;
  /** Default 2. */
  readonly traceLevel?: TraceLevel | undefined;
  /** Default text. */
  readonly format?: 'text' | 'json' | undefined;
  /** Where lines go without a folder, and trouble with the file at any rate. Default: standard error, for JSON standard output. */
  readonly stream?: { write(text: string): unknown } | undefined;
  /** Milliseconds since 1970. Default `Date.now`. */
  readonly now?: (() => number) | undefined;
}

type Severity = 'trace' | 'debug' | 'info' | 'stats' | 'warn' | 'error';

/** Writes one record. */
type Writer = (severity: Severity, message: string, facts: Facts) => void;

/** Milliseconds that a record waits for others: few, as the last ones before a crash are those that matter. */
const DELAY_MS = 100;

/**
 * Writes records to a file for each day, `ImageServer-<port>-yyyy-mm-dd.log`, or to a stream. As text, a record is a line
 * `date time level thread message`, with facts after it as `name=value`, `-` for those that are not known; the thread is the
 * process's number. Neither messages nor facts can end a line.
 */
export class ServerLog {
  readonly #write: Writer;
  readonly #level: TraceLevel;
  readonly #file: DailyFile | null;
  #stats: NodeJS.Timeout | undefined;

  private constructor(write: Writer, level: TraceLevel, file: DailyFile | null) {
    this.#write = write;
    this.#level = level;
    this.#file = file;
  }

  /** Errors: `OUTPUT_NOT_WRITABLE` when the folder cannot be made or written to. Whoever opens it closes it. */
  static async open(options: ServerLogOptions): Promise<ServerLog> {
    const { folder, port, maxDays = 10, traceLevel = 2, format = 'text', now = Date.now } = options;
    const stream = options.stream ?? (format === 'json' ? process.stdout : process.stderr);
    const make = format === 'json' ? jsonWriter : textWriter;
    const toStream = make((line) => stream.write(line), now);
    if (folder === null) return new ServerLog(toStream, traceLevel, null);
    const prefix = `ImageServer-${port}-`;
    const onWarning = (message: string, error: unknown): void => toStream('warn', message, errorFacts(error));
    const file = await DailyFile.open({ folder, prefix, maxDays, onWarning, delayMs: DELAY_MS, now });
    return new ServerLog(
      make((line) => file.write(line, now()), now),
      traceLevel,
      file,
    );
  }

  /** Records that were lost, because the disk was too slow or failed. */
  get lost(): number {
    return this.#file?.lost ?? 0;
  }

  /** Whether records of a level are written: to be asked where making the message costs something. */
  traces(level: TraceLevel): boolean {
    return level <= this.#level;
  }

  /** Tells what happens, when so much is to be told. */
  trace(level: TraceLevel, message: string, facts: Facts = {}): void {
    if (level <= this.#level) this.#write(level === 4 ? 'trace' : level === 3 ? 'debug' : 'info', message, facts);
  }

  /** Tells what is not as it should be, with the error if there is one: its code, message and detail. */
  warn(message: string, error: unknown = null, facts: Facts = {}): void {
    this.#write('warn', message, { ...errorFacts(error), ...facts });
  }

  /** Tells what failed. */
  error(message: string, error: unknown = null, facts: Facts = {}): void {
    this.#write('error', message, { ...errorFacts(error), ...facts });
  }

  /** Writes a statistics record every so many seconds, until the log is closed. */
  startStats(snapshot: () => ServerStats, intervalSeconds: number): void {
    let earlier: ServerStats = {};
    clearInterval(this.#stats);
    this.#stats = setInterval(() => {
      const stats = { residentBytes: process.memoryUsage.rss(), ...snapshot() };
      this.#write('stats', 'STATS', statsFacts(stats, earlier));
      earlier = stats;
    }, intervalSeconds * 1000).unref();
  }

  /** Resolves when all records so far are in the file, or lost. */
  async flush(): Promise<void> {
    await this.#file?.flush();
  }

  /** Ends the statistics, then as {@link flush}; records that come later are lost. */
  async close(): Promise<void> {
    clearInterval(this.#stats);
    await this.#file?.close();
  }
}

function textWriter(write: (line: string) => void, now: () => number): Writer {
  const stamp = stampWriter(false);
  return (severity, message, facts) => {
    const shown = Object.entries(facts).map(([name, value]) => ` ${name}=${factText(value)}`);
    write(`${stamp(now())} ${severity.toUpperCase()} ${process.pid} ${oneLine(message)}${shown.join('')}\n`);
  };
}

/** Records of statistics are at level info. Times are in UTC. */
function jsonWriter(write: (line: string) => void, now: () => number): Writer {
  const log = pino(
    {
      level: 'trace',
      base: { pid: process.pid },
      timestamp: () => `,"time":"${new Date(now()).toISOString()}"`,
      formatters: { level: (level) => ({ level }) },
    },
    { write },
  );
  return (severity, message, facts) => log[severity === 'stats' ? 'info' : severity](facts, message);
}

function errorFacts(error: unknown): Facts {
  if (error === null || error === undefined) return {};
  if (!(error instanceof Error)) return { error: String(error) };
  const { message, stack = '' } = error;
  // An error with a code of ours says what happened; of any other, only its stack tells where.
  if (!(error instanceof PyramidionError)) return { error: message, stack };
  const { code, detail, cause } = error;
  return {
    code,
    error: message,
    ...(detail === undefined ? {} : { detail }),
    ...(code === 'INTERNAL' ? { stack } : {}),
    ...(cause instanceof Error ? { cause: cause.message } : {}),
  };
}

function factText(value: Facts[string] | undefined): string {
  if (value === null || value === undefined) return '-';
  const text = String(value);
  return text === '' || text === '-' || /[\s"=\p{Cc}]/u.test(text) ? oneLine(JSON.stringify(text)) : text;
}

/** Text with what ends lines or controls terminals written as `\u000a`. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, (unsafe) => `\\u${unsafe.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
