/** A folder for the files of a test, and configurations written into it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { type Config, type ConfigSources, readConfig } from '../../src/config/config.js';
import { PyramidionError } from '../../src/errors.js';

/** Makes a folder before the tests of a file and removes it after them. */
export function usePlace() {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pyramidion-test-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  /** The configuration of a file that holds `document`, or this text. */
  const read = async (document: unknown, sources: ConfigSources = {}): Promise<Config> => {
    const file = join(folder, 'server.json');
    await writeFile(file, typeof document === 'string' ? document : JSON.stringify(document));
    return readConfig({ env: {}, folder: '/elsewhere', file, ...sources });
  };
  /** The faults in it, a line each. */
  const faults = async (document: unknown, sources: ConfigSources = {}): Promise<string[]> => {
    const error = await read(document, sources).then(
      () => null,
      (thrown: unknown) => thrown,
    );
    if (!(error instanceof PyramidionError) || error.code !== 'INVALID_OPTION') throw error ?? new Error('no faults');
    const lines = error.message.split('\n');
    return lines.length === 1 ? lines : lines.slice(1);
  };
  return { folder: () => folder, read, faults };
}
