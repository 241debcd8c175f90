/** What a command works with: where it writes, what stops it, and how it gets an engine. */
import { type PyramidionError, toPyramidionError } from '../errors.js';
import type { BuildOptions, BuildReport, EngineOptions, ImageInfo, SourceInput } from '../ingest/types.js';
import type { Picture } from '../picture/picture.js';

/** A stream that takes text: standard error. */
export interface TextSink {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** Standard output, which may also get a picture. */
export interface OutputSink extends TextSink {
  write(data: string | Uint8Array): unknown;
}

/** The part of `Picture` that the commands use. */
export type CliPicture = Pick<Picture, 'info' | 'plan' | 'render' | 'close'>;

/** The part of `Engine` that the commands use. */
export interface CliEngine {
  probe(source: SourceInput, options?: { page?: number; signal?: AbortSignal }): Promise<ImageInfo>;
  build(source: SourceInput, target: string, options?: BuildOptions): Promise<BuildReport>;
  open(source: SourceInput, options?: { page?: number; signal?: AbortSignal }): Promise<CliPicture>;
  verify(source: SourceInput, options?: { page?: number; subIfd?: number; signal?: AbortSignal }): Promise<unknown>;
  close(): Promise<void>;
}

/** Everything a command reaches outside its arguments. */
export interface CliContext {
  readonly stdout: OutputSink;
  readonly stderr: TextSink;
  /** Fires when the process is told to stop. */
  readonly signal: AbortSignal;
  startEngine(options: EngineOptions): Promise<CliEngine>;
}

/** A command line that cannot be followed; the exit code is 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** An error as `--json` shows it. */
export interface ErrorReport {
  readonly code: string;
  readonly message: string;
  readonly option?: string;
}

/** What `--json` shows of an error: nothing that is meant for the log. */
export function errorReport(error: PyramidionError): ErrorReport {
  return { code: error.code, message: error.message, ...(error.option === undefined ? {} : { option: error.option }) };
}

/** Runs `work` with an engine and closes it, whatever happens. */
export async function withEngine<T>(
  context: CliContext,
  options: EngineOptions,
  work: (engine: CliEngine) => Promise<T>,
): Promise<T> {
  const engine = await context.startEngine(options);
  try {
    return await work(engine);
  } finally {
    await engine.close();
  }
}

/** The exit code of a command of several items: 0, 1 when one failed, 2 when no option fitted any of them. */
export function exitCode(succeeded: number, failures: readonly ErrorReport[]): number {
  if (failures.length === 0) return 0;
  return succeeded === 0 && failures.every(({ code }) => code === 'INVALID_OPTION') ? 2 : 1;
}

/** Names a failed item on standard error: `pyramidion: path: CODE: message`. */
export function reportFailure(stderr: TextSink, path: string, thrown: unknown): ErrorReport {
  const error = toPyramidionError(thrown);
  stderr.write(`pyramidion: ${printable(path)}: ${error.code}: ${printable(error.message)}\n`);
  return errorReport(error);
}

/** Text without control characters, which could otherwise steer a terminal from within a file's name. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '\ufffd');
}

/** Bytes for people: `640 B`, `12.3 MiB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}
