/** What is in a folder, and what becomes of it. */
import { watch } from 'node:fs';
import { mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A new empty folder; whoever asks for it removes it. */
export function newFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'pyramidion-robust-'));
}

/** Whether a file name is that of a build in progress. */
export function isTemporary(name: string): boolean {
  return /^\..*\.pyramidion-part$/.test(name);
}

/** The names in a folder, in order. */
export async function list(folder: string): Promise<string[]> {
  return (await readdir(folder)).sort();
}

/** Resolves with the names in a folder as soon as they are such that `holds`. */
export function whenListed(
  folder: string,
  holds: (names: readonly string[]) => boolean,
  timeoutMs = 20_000,
): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    let last: readonly string[] = [];
    const watcher = watch(folder);
    const end = (): void => {
      clearTimeout(timer);
      watcher.close();
    };
    const look = async (): Promise<void> => {
      try {
        last = await list(folder);
        if (!holds(last)) return;
        end();
        resolve(last);
      } catch (error) {
        end();
        reject(error);
      }
    };
    const timer = setTimeout(() => {
      end();
      reject(new Error(`after ${timeoutMs} ms ${folder} still holds ${JSON.stringify(last)}`));
    }, timeoutMs);
    watcher.on('change', look);
    watcher.on('error', reject);
    void look();
  });
}

/** Resolves when a build has created its temporary file in a folder. */
export async function whenWriting(folder: string): Promise<void> {
  await whenListed(folder, (names) => names.some(isTemporary));
}

/** Resolves when no temporary file is left in a folder. */
export async function whenClean(folder: string, timeoutMs?: number): Promise<void> {
  await whenListed(folder, (names) => !names.some(isTemporary), timeoutMs);
}
