/** Where the entries of the disk tier lie. */
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { crc32 } from 'node:zlib';
import { PyramidionError } from '../errors.js';

/** A key that is a file name everywhere. */
const KEY = /^[\w-]{1,200}$/;

/** `<root>/<2 hex digits>/<key>`: root and folder are drawn from a checksum of the key, so that they fill evenly whatever its alphabet. */
export class Layout {
  /** Absolute paths. */
  readonly roots: readonly string[];

  constructor(roots: readonly string[]) {
    this.roots = roots.map((root) => resolve(root));
  }

  /** The root of a key's entry; its temporaries lie there, too. */
  root(key: string): string {
    const root = this.roots[(crc32(key) >>> 8) % this.roots.length];
    if (root === undefined) throw new PyramidionError('INTERNAL', 'the cache has no folder on disk');
    return root;
  }

  /** The path of a key's entry. */
  path(key: string): string {
    return join(this.root(key), (crc32(key) & 0xff).toString(16).padStart(2, '0'), key);
  }
}

/** What `work` in a folder yields; where that seems not to be there, it is made and the work is tried again. */
export async function inFolder<Result>(folder: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    await mkdir(folder, { recursive: true });
    return work();
  }
}

/** Whether a key can be the name of a file: nothing else is let in. */
export function isKey(name: string): boolean {
  return KEY.test(name);
}
