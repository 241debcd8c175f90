/** Libraries in temporary folders. */
import { mkdir, mkdtemp, realpath, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { Library, type LibraryEvent, type LibraryOptions } from '../../src/library/library.js';

/** A folder that is there until the test has ended (its true path), with files by their paths below it. */
export async function makeFolder(files: Readonly<Record<string, string | Uint8Array>> = {}): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'pyramidion-library-')));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  for (const [path, content] of Object.entries(files)) await write(join(folder, path), content);
  return folder;
}

/** Counts up with each file that is written, so that no two have the same time. */
let writes = 0;

/** Writes a file, and the folders above it. Its time differs from what it was before, however fast that was. */
export async function write(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
  await touch(path);
}

export async function touch(path: string): Promise<void> {
  writes += 1;
  const time = new Date(Date.UTC(2024, 0, 1) + 1000 * writes);
  await utimes(path, time, time);
}

/** A library that is open until the test has ended, and what it told. It looks for no changes, and at every path anew. */
export async function openLibrary(
  options: Partial<LibraryOptions> & Pick<LibraryOptions, 'roots'>,
): Promise<{ library: Library; events: LibraryEvent[] }> {
  const events: LibraryEvent[] = [];
  const library = await Library.open({
    readPreset: (name, fields) => `preset=${name}&${Object.keys(fields).join('&')}`,
    readRules: (xml) => {
      if (!xml.startsWith('<ruleset')) throw new Error('it holds no ruleset');
      return [{ ...RULE, name: xml }];
    },
    refreshIntervalMs: 0,
    lookUpMs: 0,
    onEvent: (event) => events.push(event),
    ...options,
  });
  onTestFinished(() => library.close());
  return { library, events };
}

/** Messages of warnings, with the base names of their files. */
export function warningsOf(events: readonly LibraryEvent[]): string[] {
  return events.flatMap((event) =>
    event.kind === 'warning' ? [`${event.path.replace(/^.*\//, '')}: ${event.message}`] : [],
  );
}

const RULE = {
  onMatch: 'continue',
  replace: 'first',
  requestTypes: new Set(['is'] as const),
  expression: null,
  substitution: null,
  addressFilter: null,
  headers: [],
  attributes: {},
} as const;
