/** Every kind of source, by the shape of what the caller gave. */
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { PyramidionError } from '../errors.js';
import { openBytes } from './bytes.js';
import { fileVersionAt, openFile } from './file.js';
import { type HttpOptions, httpVersion, isHttpUrl, openHttp } from './http.js';
import { openStream, type Spool } from './stream.js';
import type { Source, SourceInput } from './types.js';

/**
 * Opens a source; the caller closes it. `spool` is asked for only when the input is a stream; `http` is for URLs.
 * Rejects with `INVALID_OPTION` when the input is none of the shapes of {@link SourceInput}, otherwise with the codes of
 * its kind.
 */
export async function openSource(
  input: SourceInput,
  spool: () => Promise<Spool>,
  http: HttpOptions = {},
): Promise<Source> {
  if (typeof input === 'string') return openFile(checkedPath(input));
  if (input instanceof URL) return isHttpUrl(input.href) ? openHttp(input, http) : openFile(pathOfUrl(input));
  if (input instanceof Uint8Array) return openBytes(input);
  if (input instanceof Readable) return openStream(input, await spool());
  throw refused(input);
}

/** Opens what is at a path, or behind an `http:` or `https:` URL given as text; the caller closes it. */
export function openLocation(location: string, http: HttpOptions = {}): Promise<Source> {
  return isHttpUrl(location) ? openHttp(location, http) : openFile(location);
}

/**
 * {@link Source.version} of what is at a path or behind a URL now; null when there is nothing. That of a URL rejects
 * when its server does not answer as it should: nobody knows then.
 */
export function versionAt(location: string, http: HttpOptions = {}): Promise<string | null> {
  return isHttpUrl(location) ? httpVersion(location, http) : fileVersionAt(location);
}

/** The path a source is read from, or null when it is no file. Throws `INVALID_OPTION` as {@link openSource} does. */
export function pathOfSource(input: SourceInput): string | null {
  if (typeof input === 'string') return checkedPath(input);
  return input instanceof URL && !isHttpUrl(input.href) ? pathOfUrl(input) : null;
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
      `source: an http: or https: URL, or a file: URL of this host, was expected, not ${url.protocol}//${url.host}`,
      {
        option: 'source',
        value: `${url.protocol}//${url.host}`,
        cause: error,
      },
    );
  }
}

function refused(value: unknown): PyramidionError {
  const shown = typeof value === 'string' ? JSON.stringify(value) : value === null ? 'null' : typeof value;
  return new PyramidionError(
    'INVALID_OPTION',
    `source: a path, a file:, http: or https: URL, a Uint8Array or a Readable was expected, not ${shown}`,
    {
      option: 'source',
      value,
    },
  );
}
