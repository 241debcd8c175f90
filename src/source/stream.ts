import { createHash } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { addAbortSignal, Readable } from 'node:stream';
import { PyramidionError, toPyramidionError } from '../errors.js';
import { abortedBy, unlessAborted } from './abort.js';
import { asSourceError, openFile } from './file.js';
import { detectFormat, MAGIC_BYTES } from './magic.js';
import type { Source, SourceInput } from './types.js';

/** Where a stream's bytes go while it is a source. */
export interface Spool {
  /** File to create; it must not exist. It is removed when the source is closed or the spooling fails. */
  readonly path: string;
  /** Most bytes it may take. */
  readonly maxBytes: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Takes charge of a source that is a stream: it may fail before it is read, while nobody listens and Node would end the
 * process for it ({@link openStream} rejects with that error), and it may never be read. Yields what lets go of it: it
 * is destroyed then, if it has not ended.
 */
export function adoptStream(input: SourceInput): () => void {
  if (!(input instanceof Readable)) return () => {};
  input.on('error', () => {});
  return () => input.destroy();
}

/**
 * Spools a stream into a file and opens that. The stream is destroyed on failure: `UNSUPPORTED_FORMAT` as soon as its
 * first bytes are of no listed format, `DISK_FULL` when it is longer than `maxBytes` or the disk is, `SOURCE_UNREADABLE`
 * when it fails itself, `ABORTED` by the signal.
 */
export async function openStream(stream: Readable, spool: Spool): Promise<Source> {
  const { path, maxBytes, signal } = spool;
  if (signal?.aborted) throw abortedBy(signal);
  if (stream.errored) throw asSourceError(stream.errored, 'the source stream');
  if (stream.destroyed || stream.readableEnded) {
    throw new PyramidionError('SOURCE_UNREADABLE', 'the source stream has already been read or destroyed');
  }
  const hash = createHash('sha256');
  let created = false;
  try {
    const file = await open(path, 'wx', 0o600).catch((error: unknown) => {
      throw asSpoolError(error);
    });
    created = true;
    try {
      if (signal) addAbortSignal(signal, stream);
      await copy(stream, file, hash, maxBytes, signal);
    } finally {
      await file.close();
    }
    const sha256 = hash.digest('hex');
    return await openFile(path, { kind: 'stream', name: 'stream', sha256, onClose: () => rm(path, { force: true }) });
  } catch (error) {
    // A stream destroyed for the signal reports that in its own words: the signal is what the caller knows.
    stream.once('error', () => {});
    stream.destroy();
    if (created) await rm(path, { force: true }).catch(() => {});
    throw signal?.aborted ? abortedBy(signal) : toPyramidionError(error);
  }
}

async function copy(
  stream: Readable,
  file: Awaited<ReturnType<typeof open>>,
  hash: ReturnType<typeof createHash>,
  maxBytes: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const head: Uint8Array[] = [];
  let headBytes = 0;
  let isKnown = false;
  let size = 0;
  for await (const chunk of chunksOf(stream, signal)) {
    size += chunk.byteLength;
    if (size > maxBytes) {
      throw new PyramidionError(
        'DISK_FULL',
        `the source stream is longer than the ${maxBytes} bytes there is room for`,
        {
          limit: maxBytes,
        },
      );
    }
    if (!isKnown) {
      head.push(chunk.slice(0, MAGIC_BYTES));
      headBytes += Math.min(chunk.byteLength, MAGIC_BYTES);
      if (headBytes >= MAGIC_BYTES) {
        detectFormat(Buffer.concat(head), 'the source stream');
        isKnown = true;
      }
    }
    hash.update(chunk);
    for (let at = 0; at < chunk.byteLength; ) {
      const { bytesWritten } = await file.write(chunk, at).catch((error: unknown) => {
        throw asSpoolError(error);
      });
      at += bytesWritten;
    }
  }
  if (!isKnown) detectFormat(Buffer.concat(head), 'the source stream');
}

/** The stream's chunks as bytes; its own failure, and chunks that are no bytes, are `SOURCE_UNREADABLE`. */
async function* chunksOf(stream: Readable, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  const iterator: AsyncIterator<unknown> = stream[Symbol.asyncIterator]();
  for (;;) {
    const { value, done } = await unlessAborted(iterator.next(), signal).catch((error: unknown) => {
      throw asSourceError(error, 'the source stream');
    });
    if (done) return;
    if (typeof value === 'string') yield Buffer.from(value, stream.readableEncoding ?? 'utf8');
    else if (value instanceof Uint8Array) yield value;
    else
      throw new PyramidionError(
        'SOURCE_UNREADABLE',
        `the source stream gave a ${typeof value} where bytes were expected`,
      );
  }
}

function asSpoolError(error: unknown): PyramidionError {
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
  const detail = error instanceof Error ? error.message : String(error);
  return code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG'
    ? new PyramidionError('DISK_FULL', 'the disk is full: the source stream could not be spooled', {
        cause: error,
        detail,
      })
    : new PyramidionError('OUTPUT_NOT_WRITABLE', `the source stream cannot be spooled (${code})`, {
        cause: error,
        detail,
      });
}
