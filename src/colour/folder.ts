/** Profiles as files: what is in a folder, one file's bytes, and paths that may not leave their root. */
import type { Dirent } from 'node:fs';
import { constants, open, readdir, realpath, stat } from 'node:fs/promises';
import { basename, isAbsolute, join, relative, resolve, sep, win32 } from 'node:path';
import { PyramidionError } from '../errors.js';
import { MAX_PROFILE_BYTES } from './parse.js';

/** How deep a folder is searched, and how many profiles are taken from it: it may be the system's. */
const MAX_DEPTH = 8;
const MAX_FILES = 4096;

/** A file that may be a profile. */
export interface ProfileFile {
  readonly path: string;
  /** Below the folder it was found in, with `/`. */
  readonly relativePath: string;
  readonly fileName: string;
  /** Differs when the file was changed or replaced. */
  readonly stamp: string;
}

/**
 * The `.icc` and `.icm` files in a folder and those below it, by path. Links count where they lead to files; links to
 * folders are not followed. Rejects with `SOURCE_NOT_FOUND` and `SOURCE_UNREADABLE` when the folder cannot be listed, and
 * with `INVALID_OPTION` when it holds more than 4096 profiles.
 */
export async function listProfileFiles(folder: string): Promise<ProfileFile[]> {
  const root = resolve(folder);
  const found: ProfileFile[] = [];
  const search = async (at: string, depth: number): Promise<void> => {
    const entries = await readdir(at, { withFileTypes: true }).catch((error: unknown) => {
      throw asFileError(error, at, 'the profile folder');
    });
    entries.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
    for (const entry of entries) {
      const path = join(at, entry.name);
      if (entry.isDirectory()) {
        if (depth < MAX_DEPTH) await search(path, depth + 1);
      } else if (isProfileName(entry.name)) {
        const stamp = await stampOf(entry, path);
        if (stamp === null) continue;
        const relativePath = relative(root, path).split(sep).join('/');
        found.push({ path, relativePath, fileName: entry.name, stamp });
        if (found.length > MAX_FILES) {
          throw new PyramidionError(
            'INVALID_OPTION',
            `the profile folder ${folder} holds more than ${MAX_FILES} files`,
            {
              value: folder,
              limit: MAX_FILES,
            },
          );
        }
      }
    }
  };
  await search(root, 0);
  return found;
}

/**
 * The bytes of a profile file, which the caller owns, and the file's stamp. No more is read than a profile may have.
 * Rejects with `PROFILE_INVALID` when it is too large, `SOURCE_CHANGED` when it was written to meanwhile,
 * `SOURCE_NOT_FOUND` and `SOURCE_UNREADABLE`.
 */
export async function readProfileFile(path: string): Promise<{ bytes: Uint8Array; stamp: string }> {
  try {
    // A pipe that was put in the file's place would otherwise be waited for.
    const handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    try {
      const before = await handle.stat({ bigint: true });
      if (!before.isFile()) throw new PyramidionError('SOURCE_UNREADABLE', `${path} is not a regular file`);
      if (before.size > MAX_PROFILE_BYTES) {
        throw new PyramidionError(
          'PROFILE_INVALID',
          `the ICC profile cannot be used: it has ${before.size} bytes, more than ${MAX_PROFILE_BYTES}`,
          { value: Number(before.size), limit: MAX_PROFILE_BYTES },
        );
      }
      const bytes = new Uint8Array(Number(before.size));
      let filled = 0;
      while (filled < bytes.length) {
        const { bytesRead } = await handle.read(bytes, filled, bytes.length - filled, filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      const stamp = stampText(before);
      if (filled < bytes.length || stampText(await handle.stat({ bigint: true })) !== stamp) {
        throw new PyramidionError('SOURCE_CHANGED', `${basename(path)} was written to while it was read`);
      }
      return { bytes, stamp };
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw asFileError(error, path, 'the profile');
  }
}

/**
 * The true path, and stamp, of a profile that a caller names by a path below one of `roots`, the first that has it; null when
 * there is none. The path may not have `..` in it, end in anything but `.icc` or `.icm`, nor lead out by a link; it may be
 * absolute only where `isOwn` says that it is not a client's.
 */
export async function confineProfilePath(
  path: string,
  roots: readonly string[],
  isOwn = false,
): Promise<{ path: string; stamp: string } | null> {
  if (!isProfileName(path)) return null;
  const isWhole = isOwn && isAbsolute(path);
  if (!isWhole && !isRelative(path)) return null;
  for (const root of roots) {
    try {
      const [trueRoot, truePath] = await Promise.all([realpath(root), realpath(isWhole ? path : join(root, path))]);
      const below = relative(trueRoot, truePath);
      if (below === '' || below === '..' || below.startsWith(`..${sep}`) || isAbsolute(below)) continue;
      const found = await stat(truePath, { bigint: true });
      if (found.isFile()) return { path: truePath, stamp: stampText(found) };
    } catch {
      // Not in this root, or not for us to read: the caller learns no more than that there is none.
    }
  }
  return null;
}

function isRelative(path: string): boolean {
  if (/[\0\\]/.test(path) || isAbsolute(path) || win32.isAbsolute(path)) return false;
  // A drive, or a stream of a file, on Windows.
  if (path.includes(':') && sep === '\\') return false;
  return !path.split('/').some((part) => part === '..' || part === '');
}

/** Whether a name ends as profiles do. */
export function isProfileName(name: string): boolean {
  return /\.ic[cm]$/i.test(name);
}

/** Null for what is no regular file in the end. */
async function stampOf(entry: Dirent, path: string): Promise<string | null> {
  if (!entry.isFile() && !entry.isSymbolicLink()) return null;
  const found = await stat(path, { bigint: true }).catch(() => null);
  return found?.isFile() ? stampText(found) : null;
}

function stampText(found: { dev: bigint; ino: bigint; size: bigint; mtimeNs: bigint; ctimeNs: bigint }): string {
  return [found.dev, found.ino, found.size, found.mtimeNs, found.ctimeNs].join(':');
}

function asFileError(error: unknown, path: string, what: string): PyramidionError {
  if (error instanceof PyramidionError) return error;
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new PyramidionError('SOURCE_NOT_FOUND', `${what} ${path} does not exist`, { cause: error, value: path });
  }
  return new PyramidionError('SOURCE_UNREADABLE', `${what} ${path} cannot be read (${code})`, {
    cause: error,
    value: path,
  });
}
