/** Paths that may not leave their root, and files that are looked at through them. */
import type { Stats } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { isAbsolute, relative, sep } from 'node:path';
import { PyramidionError } from '../errors.js';

/** Longest element and path that file systems take, in bytes. */
const MAX_ELEMENT_BYTES = 255;
const MAX_PATH_BYTES = 4095;

/** What a look at a path showed. `outside`: it leads out of its root. */
export type Look =
  | { readonly kind: 'file' | 'folder'; readonly path: string }
  | { readonly kind: 'missing' }
  | { readonly kind: 'refused'; readonly reason: string };

/**
 * Why a path that a client names is not looked for; null for one that may be. It has to be relative, with none of its
 * elements empty or beginning with a dot, no control characters, backslashes or halves of characters, and no longer
 * than paths can be.
 */
export function reasonAgainst(path: string): string | null {
  // A drive, or a stream of a file, on Windows.
  if (/[\p{Cc}\p{Cs}\\]/u.test(path) || (sep === '\\' && path.includes(':'))) return 'it has a forbidden character';
  const elements = path.split('/');
  if (elements.includes('')) return 'it is absolute, or has an empty element';
  if (elements.some((element) => element.startsWith('.'))) return 'an element begins with a dot';
  return isTooLong(path) ? 'it is too long' : null;
}

/** The same for a path in a catalog: it may be absolute, but lead no way up. */
export function reasonAgainstOwn(path: string): string | null {
  if (/[\0\p{Cs}]/u.test(path)) return 'it has a forbidden character';
  if (path.split(/[/\\]/).includes('..')) return 'it leads up';
  return isTooLong(path) ? 'it is too long' : null;
}

/**
 * What is at `path`, links resolved, if that lies within one of `roots` (which are true paths themselves): a regular
 * file, or a folder. What cannot be looked at counts as missing. Rejects with `SOURCE_UNREADABLE` when the system
 * fails.
 */
export async function look(path: string, roots: readonly string[]): Promise<Look> {
  try {
    const truePath = await realpath(path);
    if (!roots.some((root) => isWithin(root, truePath))) return { kind: 'refused', reason: 'it leads out of its root' };
    const kind = kindOf(await stat(truePath));
    return kind === null ? { kind: 'refused', reason: 'it is neither file nor folder' } : { kind, path: truePath };
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code === 'EACCES' || code === 'EPERM') return { kind: 'refused', reason: `it may not be looked at (${code})` };
    if (MISSING.has(code)) return { kind: 'missing' };
    throw new PyramidionError('SOURCE_UNREADABLE', `the image cannot be looked for (${code})`, {
      cause: error,
      detail: path,
    });
  }
}

const MISSING = new Set(['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ELOOP', 'EINVAL']);

function kindOf(found: Stats): 'file' | 'folder' | null {
  if (found.isFile()) return 'file';
  return found.isDirectory() ? 'folder' : null;
}

function isWithin(root: string, path: string): boolean {
  const below = relative(root, path);
  return below !== '..' && !below.startsWith(`..${sep}`) && !isAbsolute(below);
}

function isTooLong(path: string): boolean {
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) return true;
  return path.split('/').some((element) => Buffer.byteLength(element) > MAX_ELEMENT_BYTES);
}
