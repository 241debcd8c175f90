import { type FileHandle, open, stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { PyramidionError } from '../errors.js';
import { sha256Of } from './hash.js';
import type { Source } from './types.js';

/** What is already known of a file that was just written. */
export interface KnownFile {
  readonly kind?: 'file' | 'stream';
  readonly name?: string;
  readonly sha256?: string;
  /** Called once, after the handle is closed. */
  readonly onClose?: () => Promise<void>;
}

/** What tells one state of a file from another. */
interface Identity {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
}

/**
 * Opens a regular file. Rejects with `SOURCE_NOT_FOUND` when nothing is there, and with `SOURCE_UNREADABLE` for a
 * folder, a device, a pipe, or a file this process may not read.
 */
export async function openFile(path: string, known: KnownFile = {}): Promise<Source> {
  const absolute = resolve(path);
  const name = known.name ?? basename(absolute);
  let handle: FileHandle;
  let identity: Identity;
  let modified: Date;
  try {
    const found = await stat(absolute);
    if (found.isDirectory()) throw new PyramidionError('SOURCE_UNREADABLE', `${path} is a folder, not an image`);
    if (!found.isFile()) {
      throw new PyramidionError('SOURCE_UNREADABLE', `${path} is not a regular file: hand its bytes over as a stream`);
    }
    handle = await open(absolute, 'r');
    const opened = await handle.stat({ bigint: true });
    identity = opened;
    modified = opened.mtime;
  } catch (error) {
    throw asSourceError(error, path);
  }
  const size = Number(identity.size);
  let closing: Promise<void> | null = null;

  const fill = async (bytes: Uint8Array, offset: number, wanted: number): Promise<Uint8Array> => {
    let filled = 0;
    while (filled < wanted) {
      let got: number;
      try {
        ({ bytesRead: got } = await handle.read(bytes, filled, wanted - filled, offset + filled));
      } catch (error) {
        throw asSourceError(error, path);
      }
      if (got === 0)
        throw new PyramidionError('SOURCE_CHANGED', `${name} became shorter than the ${size} bytes it had`);
      filled += got;
    }
    return bytes.subarray(0, wanted);
  };
  const read = async (offset: number, length: number): Promise<Uint8Array> => {
    const wanted = Math.max(0, Math.min(length, size - offset));
    return fill(new Uint8Array(wanted), offset, wanted);
  };

  const input = { path: absolute, size } as const;
  return {
    kind: known.kind ?? 'file',
    name,
    size,
    modified: known.kind === 'stream' ? null : modified,
    heldBytes: 0,
    read,
    nativeInput: () => input,
    sha256: async (signal) => known.sha256 ?? sha256Of(fill, size, signal),
    verifyUnchanged: async () => {
      // The handle shows a rewrite in place, the path a replacement. A file that is gone by now was read while it was there.
      const inPlace = await handle.stat({ bigint: true }).catch((error: unknown) => {
        throw asSourceError(error, path);
      });
      const atPath = await stat(absolute, { bigint: true }).catch(() => null);
      if (!isSame(inPlace, identity) || (atPath !== null && !isSame(atPath, identity))) {
        throw new PyramidionError('SOURCE_CHANGED', `${name} was changed or replaced while it was read`);
      }
    },
    close: () => {
      closing ??= handle.close().then(known.onClose);
      return closing;
    },
  };
}

function isSame(a: Identity, b: Identity): boolean {
  return a.dev === b.dev && a.ino === b.ino && a.size === b.size && a.mtimeNs === b.mtimeNs;
}

/** A failed file-system call, as the error a source answers with. */
export function asSourceError(error: unknown, path: string): PyramidionError {
  if (error instanceof PyramidionError) return error;
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new PyramidionError('SOURCE_NOT_FOUND', `${path} does not exist`, { cause: error, value: path });
  }
  const detail = error instanceof Error ? error.message : String(error);
  return new PyramidionError('SOURCE_UNREADABLE', `${path} cannot be read (${code})`, {
    cause: error,
    detail,
    value: path,
  });
}
