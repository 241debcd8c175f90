/** Where a pyramid goes, whether there is room for it, and how it gets its final name. */
import { access, constants, link, open, rename, rm, stat, statfs, unlink, writeFile } from 'node:fs/promises';
import { basename, dirname, extname, join, parse, resolve, sep } from 'node:path';
import { PyramidionError } from '../errors.js';
import type { ResolvedOptions } from './options.js';
import { temporaryBeside } from './temporary.js';

/** Numeric suffixes tried before giving up. */
const MAX_SUFFIX = 100_000;

/** Errors that say that a file system has no hard links (or not for this user), rather than that something is wrong. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL', 'EMLINK', 'EXDEV']);

/**
 * The file a target means: itself, or `<target>/<source name>.tif` when it is a folder or ends with a separator. Rejects
 * with `INVALID_OPTION` for what is no path.
 */
export async function resolveTarget(target: string, sourceName: string): Promise<string> {
  if (typeof target !== 'string' || target === '' || target.includes('\0')) {
    throw new PyramidionError(
      'INVALID_OPTION',
      `target must be a path; got ${JSON.stringify(target) ?? typeof target}`,
      {
        option: 'target',
        value: target,
      },
    );
  }
  const absolute = resolve(target);
  const isFolder =
    target.endsWith('/') || target.endsWith(sep) || (await stat(absolute).catch(() => null))?.isDirectory();
  return isFolder ? join(absolute, `${parse(sourceName).name}.tif`) : absolute;
}

/**
 * Looks before a build whether its target can be written: `OUTPUT_NOT_WRITABLE` when the folder is missing or read-only,
 * `OUTPUT_EXISTS` when the target is there and `ifExists` is `fail`. What changes later, the build or the commit finds.
 */
export async function checkTarget(target: string, ifExists: ResolvedOptions['ifExists']): Promise<void> {
  const folder = dirname(target);
  try {
    const found = await stat(folder);
    if (!found.isDirectory()) throw notWritable(target, `${folder} is not a folder`);
    await access(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw asOutputError(error, target);
  }
  const existing = await stat(target).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw asOutputError(error, target);
  });
  if (existing?.isDirectory()) throw notWritable(target, 'a folder has this name');
  // To replace `/dev/null` would harm more than this build.
  if (existing !== null && !existing.isFile()) throw notWritable(target, 'what has this name is not a regular file');
  if (existing !== null && ifExists === 'fail') throw outputExists(target);
}

/**
 * Rejects with `DISK_FULL` when less than `need` bytes are free for this user where `target` is to be written. `need` is
 * what such files take as a rule: a larger one is found out while it is written.
 */
export async function checkSpace(target: string, need: number): Promise<void> {
  const free = await freeSpace(target);
  if (free === null || free >= need) return;
  throw new PyramidionError(
    'DISK_FULL',
    `the disk of ${dirname(target)} has ${free} bytes free; about ${need} are needed`,
    { value: need, limit: free },
  );
}

/** Bytes free for this user on the disk of a file to be; null when the file system does not say. */
export async function freeSpace(target: string): Promise<number | null> {
  const { bavail, bsize, blocks } = await statfs(dirname(target)).catch(() => ({ bavail: 0, bsize: 0, blocks: 0 }));
  return blocks === 0 ? null : bavail * bsize;
}

/**
 * Gives a finished, synced file its final name, and syncs the folder. It yields the name: the target, or with `suffix` the
 * first of `name-1.tif`, `name-2.tif` … that is free. Nothing that exists is ever overwritten but with `replace`, whoever
 * else writes there. Rejects with `OUTPUT_EXISTS`, `OUTPUT_NOT_WRITABLE` or `DISK_FULL`; the temporary is still there then.
 */
export async function commit(
  temporary: string,
  target: string,
  ifExists: ResolvedOptions['ifExists'],
): Promise<string> {
  try {
    const path = ifExists === 'replace' ? await replace(temporary, target) : await place(temporary, target, ifExists);
    await syncFolder(dirname(path));
    return path;
  } catch (error) {
    throw asOutputError(error, target);
  }
}

/**
 * Writes a whole file, replacing one of that name: nothing partial is ever seen under it. Rejects with
 * `OUTPUT_NOT_WRITABLE` or `DISK_FULL`, and nothing is left then.
 */
export async function writeWhole(target: string, bytes: Uint8Array): Promise<void> {
  const temporary = temporaryBeside(target);
  try {
    await writeFile(temporary.path, bytes, { flag: 'wx', flush: true });
    await commit(temporary.path, target, 'replace');
  } catch (error) {
    throw asOutputError(error, target);
  } finally {
    await temporary.release();
  }
}

async function replace(temporary: string, target: string): Promise<string> {
  await rename(temporary, target);
  return target;
}

async function place(temporary: string, target: string, ifExists: 'suffix' | 'fail'): Promise<string> {
  const last = ifExists === 'suffix' ? MAX_SUFFIX : 0;
  for (let number = 0; number <= last; number++) {
    const path = withSuffix(target, number);
    if (await placeAs(temporary, path)) return path;
  }
  throw outputExists(target);
}

function withSuffix(target: string, number: number): string {
  if (number === 0) return target;
  const extension = extname(target);
  return join(dirname(target), `${basename(target, extension)}-${number}${extension}`);
}

/** Moves a file to a name that must be free; false when it is taken. */
async function placeAs(temporary: string, path: string): Promise<boolean> {
  try {
    await link(temporary, path);
    await unlink(temporary);
    return true;
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    if (!NO_LINKS.has(code)) throw error;
  }
  // Without links: take the name by creating it, which only one can, then put the file over our own empty one.
  try {
    await (await open(path, 'wx')).close();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
  try {
    await rename(temporary, path);
  } catch (error) {
    await rm(path, { force: true }).catch(() => {});
    throw error;
  }
  return true;
}

/** Has the folder's new entry written to disk, on systems that can: Windows cannot open folders, and does it itself. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => null);
  if (handle === null) return;
  await handle.sync().catch(() => {});
  await handle.close();
}

/** A failed file-system call on the output, as the error it stands for. */
export function asOutputError(error: unknown, target: string): PyramidionError {
  if (error instanceof PyramidionError) return error;
  const { code = 'unknown error' } = error as NodeJS.ErrnoException;
  const detail = error instanceof Error ? error.message : String(error);
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG') {
    return new PyramidionError('DISK_FULL', `the disk of ${dirname(target)} is full`, { cause: error, detail });
  }
  const why =
    {
      ENOENT: 'the folder does not exist',
      ENOTDIR: 'the folder does not exist',
      EACCES: 'permission is denied',
      EPERM: 'permission is denied',
      EROFS: 'the file system is read-only',
      ENAMETOOLONG: 'the name is too long',
      EISDIR: 'a folder has this name',
    }[code] ?? code;
  return notWritable(target, why, error);
}

function notWritable(target: string, why: string, cause?: unknown): PyramidionError {
  return new PyramidionError('OUTPUT_NOT_WRITABLE', `${target} cannot be written: ${why}`, {
    value: target,
    ...(cause === undefined ? {} : { cause, detail: String(cause) }),
  });
}

function outputExists(target: string): PyramidionError {
  return new PyramidionError('OUTPUT_EXISTS', `${target} exists`, { value: target });
}
