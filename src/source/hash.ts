import { createHash } from 'node:crypto';
import { PyramidionError } from '../errors.js';
import type { RangeReader } from './types.js';

/** Bytes hashed in one turn of the event loop: about half a millisecond. */
const CHUNK_BYTES = 1 << 20;

/** SHA-256 of the first `size` bytes, lower-case hex, read in chunks so that the event loop stays free. */
export async function sha256Of(read: RangeReader, size: number, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  for (let at = 0; at < size; at += CHUNK_BYTES) {
    if (signal?.aborted) throw new PyramidionError('ABORTED', 'the job was aborted', { cause: signal.reason });
    hash.update(await read(at, Math.min(CHUNK_BYTES, size - at)));
  }
  return hash.digest('hex');
}
