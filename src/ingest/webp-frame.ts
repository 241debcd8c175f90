/** Tells lossy from lossless WebP by the chunks of the file. */
import type { RangeReader } from '../source/types.js';

/** Chunks looked at before the question is given up. */
const MAX_CHUNKS = 64;

/** Whether the first frame is coded losslessly (`VP8L`); false when it is lossy or cannot be found. */
export async function isLosslessWebp(read: RangeReader): Promise<boolean> {
  let at = 12;
  for (let chunk = 0; chunk < MAX_CHUNKS; chunk++) {
    const head = Buffer.from(await read(at, 8));
    if (head.length < 8) return false;
    const name = head.toString('latin1', 0, 4);
    if (name === 'VP8L') return true;
    if (name === 'VP8 ') return false;
    // An animation frame holds its image chunk after 16 bytes of its own.
    const length = head.readUInt32LE(4);
    at += name === 'ANMF' ? 8 + 16 : 8 + length + (length & 1);
  }
  return false;
}
