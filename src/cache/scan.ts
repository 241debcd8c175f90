/** What is on the disk after a crash, when nobody wrote the index. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { AccountEntry } from './account.js';
import { type ListedEntry, listEntry, removeEntry } from './entry-file.js';
import { isKey, type Layout } from './layout.js';
import type { Warn } from './warnings.js';

/** What looking through the folders came to. */
export interface Scan {
  /** The least recently used first. */
  readonly entries: readonly (readonly [key: string, entry: AccountEntry])[];
  /** Damaged ones, which are removed. */
  readonly damaged: number;
}

/** Files that are looked at together. */
const AT_ONCE = 16;

/**
 * Looks through the folders. Files that are damaged are removed, and those that lie where nobody looks for them any more,
 * because the roots have changed. What is no entry of the cache is left alone. Yields null when `isStopped` says so.
 */
export async function scan(layout: Layout, isStopped: () => boolean, warn: Warn): Promise<Scan | null> {
  const found: { readonly key: string; readonly listed: ListedEntry }[] = [];
  let damaged = 0;
  const look = async (folder: string, key: string): Promise<void> => {
    const path = join(folder, key);
    const isAtHome = path === layout.path(key);
    const listed = await listEntry(path, key);
    if (listed === 'missing') return;
    if (listed !== 'damaged' && isAtHome) {
      found.push({ key, listed });
      return;
    }
    // A file that is neither whole nor where its name belongs may be anybody's.
    if (listed === 'damaged' && !isAtHome) return;
    if (listed === 'damaged') damaged += 1;
    await removeEntry(path);
  };
  const trouble = (error: unknown): void => warn('the folders of the cache could not be looked through', error);
  for (const root of layout.roots) {
    for (const folder of await namesIn(root, (name) => /^[0-9a-f]{2}$/.test(name), trouble)) {
      const keys = await namesIn(join(root, folder), isKey, trouble);
      for (let at = 0; at < keys.length; at += AT_ONCE) {
        if (isStopped()) return null;
        const together = keys.slice(at, at + AT_ONCE);
        await Promise.all(together.map((key) => look(join(root, folder), key).catch(trouble)));
      }
    }
  }
  found.sort((a, b) => a.listed.usedAt - b.listed.usedAt);
  return {
    entries: found.map(({ key, listed: { bytes, subject } }) => [key, { bytes, subject, validatedAt: 0 }]),
    damaged,
  };
}

async function namesIn(
  folder: string,
  isWanted: (name: string) => boolean,
  trouble: (error: unknown) => void,
): Promise<string[]> {
  try {
    return (await readdir(folder)).filter(isWanted);
  } catch (error) {
    trouble(error);
    return [];
  }
}
