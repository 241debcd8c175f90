/** Every kind of source, by the shape of what the caller gave. */
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { PyramidionError } from '../errors.js';
import { openBytes } from './bytes.js';
import { openFile } from './file.js';
import { openStream, type Spool } from './stream.js';
import type { Source, SourceInput } from './types.js';

/**
 * Opens a source; the caller closes it. `spool` is asked for only when the input is a stream.
 * Rejects with `INVALID_OPTION` when the input is none of the shapes of {@link SourceInput}, otherwise with the codes of
 * its kind.
 */
export async function openSource(input: SourceInput, spool: () => Promise<Spool>): Promise<Source> {
  if (typeof input === 'string') return openFile(checkedPath(input));
  if (input instanceof URL) return openFile(pathOfUrl(input));
  if (input instanceof Uint8Array) return openBytes(input);
  if (input instanceof Readable) return openStream(input, await spool());
  throw refused(input);
}

/** The path a source is read from, or null when it is no file. Throws `INVALID_OPTION` as {@link openSource} does. */
export function pathOfSource(input: SourceInput): string | null {
  if (typeof input === 'string') return checkedPath(input);
  return input instanceof URL ? pathOfUrl(input) : null;
}

function checkedPath(path: string): string {
  if (path === '' || path.includes('\0')) throw refused(path);
  return path;
}

function pathOfUrl(url: URL): string {
  try {
    return fileURLToPath(url);
  } catch (error) {
    throw new PyramidionError(
      'INVALID_OPTION',
      `source: a file: URL of this host was expected, not ${url.protocol}//${url.host}`,
      {
        option: 'source',
        value: url.href,
        cause: error,
      },
    );
  }
}

function refused(value: unknown): PyramidionError {
  const shown = typeof value === 'string' ? JSON.stringify(value) : value === null ? 'null' : typeof value;
  return new PyramidionError(
    'INVALID_OPTION',
    `source: a path, a file: URL, a Uint8Array or a Readable was expected, not ${shown}`,
    {
      option: 'source',
      value,
    },
  );
}
