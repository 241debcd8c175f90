/** Which files a command works on, and where their results go. */
import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, relative, resolve, sep } from 'node:path';
import { PyramidionError } from '../errors.js';
import { UsageError } from './context.js';

/** One file to build. */
export interface BuildItem {
  readonly source: string;
  readonly target: string;
}

/** What {@link planBuild} may do with folders. */
export interface PlanOptions {
  readonly recursive?: boolean;
  readonly skipHidden?: boolean;
}

/** The files to build, in the order they are given; those of a folder by name. */
export interface BuildPlan {
  readonly items: readonly BuildItem[];
  /** Whether targets stand in an output folder, which is made when it is missing. */
  readonly intoFolder: boolean;
}

/** Names of files that a build in progress (or one that was killed) leaves beside its target. */
const TEMPORARY = /^\..*\.pyramidion-part(?:\.icc)?$/;

/**
 * Plans a build of files and folders into a file or a folder. The output is a folder when it ends in a separator, is
 * one, or has to be: for a folder or several files. The files of a folder are all of its regular files, of whatever
 * kind; with `recursive`, below it too, in the same subfolders of the output. Two files that would get the same name
 * are told apart by a number, so neither replaces the other.
 *
 * Errors: {@link UsageError} when several results would go to one file; `SOURCE_UNREADABLE` for a folder that cannot be
 * read.
 */
export async function planBuild(
  inputs: readonly string[],
  output: string,
  options: PlanOptions = {},
): Promise<BuildPlan> {
  const kinds = await Promise.all(inputs.map(kindOf));
  const outputKind = await kindOf(output);
  const several = inputs.length > 1 || kinds.includes('folder');
  const intoFolder = output.endsWith('/') || output.endsWith(sep) || outputKind === 'folder' || several;
  if (several && outputKind === 'file')
    throw new UsageError(`the output of several files must be a folder; ${output} is a file`);
  if (several && outputKind === 'none' && !output.endsWith('/') && !output.endsWith(sep) && extname(output) !== '') {
    throw new UsageError(`the output of several files must be a folder: write ${output}/ if that is its name`);
  }
  if (!intoFolder) return { items: [{ source: inputs[0] ?? '', target: output }], intoFolder };

  const taken = new Set<string>();
  const items: BuildItem[] = [];
  const add = (source: string, folder: string) => {
    const name = basename(source, extname(source));
    let target = join(folder, `${name}.tif`);
    for (let i = 1; taken.has(target); i++) target = join(folder, `${name}-${i}.tif`);
    taken.add(target);
    items.push({ source, target });
  };
  for (const [i, input] of inputs.entries()) {
    if (kinds[i] !== 'folder') add(input, output);
    else
      for (const source of await filesIn(input, { ...options, except: resolve(output) }))
        add(source, join(output, relative(input, dirname(source))));
  }
  return { items, intoFolder };
}

/** Regular files in a folder, by name (in code unit order). Files that a build is writing, and `except`, are left out. */
async function filesIn(folder: string, options: PlanOptions & { except: string }): Promise<string[]> {
  const files: string[] = [];
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause: unknown) => {
    throw new PyramidionError('SOURCE_UNREADABLE', `the folder ${folder} cannot be read`, { cause });
  });
  entries.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if ((options.skipHidden && entry.name.startsWith('.')) || TEMPORARY.test(entry.name)) continue;
    const kind = await entryKind(entry, path);
    if (kind === 'file') files.push(path);
    else if (kind === 'folder' && options.recursive && resolve(path) !== options.except)
      files.push(...(await filesIn(path, options)));
  }
  return files;
}

/** A link counts as the file it leads to, but is not followed into folders, which might lead back. */
async function entryKind(entry: Dirent, path: string): Promise<'file' | 'folder' | 'none'> {
  if (entry.isDirectory()) return 'folder';
  if (entry.isFile()) return 'file';
  return entry.isSymbolicLink() && (await kindOf(path)) === 'file' ? 'file' : 'none';
}

async function kindOf(path: string): Promise<'file' | 'folder' | 'none'> {
  const found = await stat(path).catch(() => null);
  if (found === null) return 'none';
  return found.isDirectory() ? 'folder' : 'file';
}
