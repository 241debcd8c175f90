/** The index file: the account of the disk tier between an orderly shutdown and the next start. */
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { temporaryBeside } from '../ingest/temporary.js';
import type { AccountEntry, DiskAccount } from './account.js';
import type { Layout } from './layout.js';

const NAME = 'index';
const FORM = 'pyramidion cache index 1';
/** Lines that are put together before they are written. */
const LINES_AT_ONCE = 10_000;

/**
 * Writes the account into the first root. A line each: the form; the roots; per entry, the least recently used first, its
 * key, bytes and subject; and the number of entries with a checksum of all lines before. Rejects with the file system's error.
 */
export async function writeIndex(layout: Layout, account: DiskAccount): Promise<void> {
  const target = indexPath(layout);
  const temporary = temporaryBeside(target);
  try {
    await writeFile(temporary.path, lines(layout, account));
    await rename(temporary.path, target);
  } finally {
    await temporary.release();
  }
}

function* lines(layout: Layout, account: DiskAccount): Generator<string> {
  let text = `${FORM}\n${JSON.stringify(layout.roots)}\n`;
  let checksum = 0;
  let count = 0;
  for (const [key, { bytes, subject }] of account) {
    text += `${JSON.stringify([key, bytes, subject])}\n`;
    count += 1;
    if (count % LINES_AT_ONCE !== 0) continue;
    checksum = crc32(text, checksum);
    yield text;
    text = '';
  }
  yield `${text}${JSON.stringify([count, crc32(text, checksum)])}\n`;
}

/**
 * Reads the index of the last orderly shutdown and deletes it, as it holds only until the first change. null when there
 * is none of these roots, it is damaged, or it could not be deleted (which rejects for any reason but that it is missing).
 */
export async function takeIndex(layout: Layout): Promise<readonly (readonly [string, AccountEntry])[] | null> {
  const path = indexPath(layout);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  await rm(path);
  const end = text.lastIndexOf('\n', text.length - 2) + 1;
  const [form, roots, ...entries] = text.slice(0, end - 1).split('\n');
  const seal = JSON.stringify([entries.length, crc32(text.slice(0, end))]);
  if (form !== FORM || roots !== JSON.stringify(layout.roots) || text.slice(end) !== `${seal}\n`) return null;
  // The checksum says that the lines are those of writeIndex.
  return entries.map((line) => {
    const [key, bytes, subject] = JSON.parse(line) as [string, number, string];
    return [key, { bytes, subject, validatedAt: 0 }];
  });
}

function indexPath(layout: Layout): string {
  return join(layout.roots[0] ?? '', NAME);
}
