import { read as readDescriptor, fstat as statDescriptor, stat as statPath } from 'node:fs';
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

/** What tells one state of a file from another: part of what `stat` yields. */
export interface FileIdentity {
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
  let identity: FileIdentity;
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
  let reading = 0;
  let onIdle = (): void => {};

  // `fs.read` with a callback: half the cost of `FileHandle.read`. The handle does not know of these reads, so they are
  // counted: a descriptor that is closed under them may be another file's by then.
  const readInto = (target: Uint8Array, offset: number): Promise<void> =>
    new Promise((resolve, reject) => {
      if (closing !== null) throw new PyramidionError('SOURCE_UNREADABLE', `${name} is closed`);
      const length = target.byteLength;
      let filled = 0;
      const settle = (error: PyramidionError | null): void => {
        reading -= 1;
        if (reading === 0) onIdle();
        if (error === null) resolve();
        else reject(error);
      };
      const next = (): void => {
        const wanted = Math.min(length - filled, MOST_READ);
        readDescriptor(handle.fd, target, filled, wanted, offset + filled, (error, got) => {
          if (error !== null) return settle(asSourceError(error, path));
          if (got === 0) {
            const message = `${name} became shorter than the ${size} bytes it had`;
            return settle(new PyramidionError('SOURCE_CHANGED', message));
          }
          filled += got;
          return filled === length ? settle(null) : next();
        });
      };
      if (length === 0) return resolve();
      next();
      reading += 1;
    });
  const fill = async (bytes: Uint8Array, offset: number, wanted: number): Promise<Uint8Array> => {
    const part = bytes.subarray(0, wanted);
    await readInto(part, offset);
    return part;
  };
  const read = async (offset: number, length: number): Promise<Uint8Array> => {
    const wanted = Math.max(0, Math.min(length, size - offset));
    return fill(new Uint8Array(wanted), offset, wanted);
  };
  let verifying: Promise<void> | null = null;
  // One look answers all who asked before it began.
  const verifyInPlace = (): Promise<void> => {
    verifying ??= new Promise((resolve, reject) => {
      if (closing !== null) throw new PyramidionError('SOURCE_UNREADABLE', `${name} is closed`);
      reading += 1;
      setImmediate(() => {
        verifying = null;
        statDescriptor(handle.fd, { bigint: true }, (error, inPlace) => {
          reading -= 1;
          if (reading === 0) onIdle();
          if (error !== null) reject(asSourceError(error, path));
          else if (isSame(inPlace, identity)) resolve();
          else reject(changed(name));
        });
      });
    });
    return verifying;
  };
  const close = async (): Promise<void> => {
    if (reading > 0) {
      await new Promise<void>((resolve) => {
        onIdle = resolve;
      });
    }
    await handle.close();
    await known.onClose?.();
  };

  const input = { path: absolute, size } as const;
  return {
    kind: known.kind ?? 'file',
    name,
    size,
    modified: known.kind === 'stream' ? null : modified,
    heldBytes: 0,
    version: known.sha256 === undefined ? fileVersion(identity) : `sha256-${known.sha256}`,
    read,
    readInto,
    lend: () => {
      if (closing !== null) return null;
      reading += 1;
      let isLent = true;
      const release = (): void => {
        if (!isLent) return;
        isLent = false;
        reading -= 1;
        if (reading === 0) onIdle();
      };
      return { fd: handle.fd, release };
    },
    nativeInput: async () => input,
    sha256: async (signal) => known.sha256 ?? sha256Of(fill, size, signal),
    confirmedAt: () => 0,
    verifyUnchanged: async () => {
      // The handle shows a rewrite in place, the path a replacement. A file that is gone by now was read while it was there.
      await verifyInPlace();
      const atPath = await stat(absolute, { bigint: true }).catch(() => null);
      if (atPath !== null && !isSame(atPath, identity)) throw changed(name);
    },
    verifyInPlace,
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

/** Bytes of one call to the system: Linux reads no more than 2³¹ − 4096 at once. */
const MOST_READ = 1 << 30;

/** {@link Source.version} of a file in the state that `stat` (with `bigint`) tells of. */
export function fileVersion({ dev, ino, size, mtimeNs }: FileIdentity): string {
  return `${dev}-${ino}-${size}-${mtimeNs}`;
}

/** {@link Source.version} of the file at `path` now; null when there is none that can be looked at. */
export function fileVersionAt(path: string): Promise<string | null> {
  return new Promise((resolve) => {
    statPath(path, { bigint: true }, (error, found: FileIdentity) =>
      resolve(error === null ? fileVersion(found) : null),
    );
  });
}

function changed(name: string): PyramidionError {
  return new PyramidionError('SOURCE_CHANGED', `${name} was changed or replaced while it was read`);
}

function isSame(a: FileIdentity, b: FileIdentity): boolean {
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
