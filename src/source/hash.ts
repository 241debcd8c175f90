import { createHash } from 'node:crypto';
import { PyramidionError } from '../errors.js';

/** Bytes hashed in one turn of the event loop: a fraction of a millisecond. */
const CHUNK_BYTES = 1 << 18;

/** Yields `length` bytes at `offset`, in `buffer` or elsewhere; they are used before the next call. */
export type ChunkReader = (buffer: Uint8Array, offset: number, length: number) => Promise<Uint8Array>;

/**
 * SHA-256 of the first `size` bytes, lower-case hex. Read in chunks through one buffer, so that neither the event loop is
 * kept busy nor garbage made that would count as the build's memory.
 */
export async function sha256Of(read: ChunkReader, size: number, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  const buffer = new Uint8Array(Math.min(CHUNK_BYTES, size));
  for (let at = 0; at < size; at += CHUNK_BYTES) {
    if (signal?.aborted) throw new PyramidionError('ABORTED', 'the job was aborted', { cause: signal.reason });
    hash.update(await read(buffer, at, Math.min(CHUNK_BYTES, size - at)));
  }
  return hash.digest('hex');
}
