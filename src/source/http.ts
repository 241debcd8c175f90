/** Sources behind `http:` and `https:` URLs, read by range. The URLs are the operator's: a client's never come here. */
import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { invalidOption, PyramidionError } from '../errors.js';
import type { NativeInput } from '../native/contract.js';
import { BLOCK_BYTES, Blocks } from './blocks.js';
import { sha256Of } from './hash.js';
import { HttpAgents, type Representation, requestRange } from './http-request.js';
import type { Source } from './types.js';

/** How servers are asked. */
export interface HttpOptions {
  /** Milliseconds that one ranged read may take. Default 20 000. */
  readonly timeoutMs?: number | undefined;
  /** Connections to use; they stay the caller's. Default: new ones, which are closed at the end. */
  readonly agents?: HttpAgents | undefined;
  /** Stops what is read without a signal of its own. */
  readonly signal?: AbortSignal | undefined;
  /** Largest source that is held in memory for native jobs, bytes. Default 64 MiB. */
  readonly maxHeldBytes?: number | undefined;
}

const DEFAULT_TIMEOUT_MS = 20_000;
const DEFAULT_MAX_HELD_BYTES = 64 << 20;

/** Bytes of one request: what is larger takes several, each with its own time. */
const MOST_READ = 8 << 20;

/** Whether a text is an `http:` or `https:` URL rather than a path. */
export function isHttpUrl(location: string): boolean {
  return /^https?:\/\//i.test(location);
}

/** The last part of a URL's path, decoded; what messages call it, as they hold neither hosts nor credentials. */
export function nameOfUrl({ pathname }: URL): string {
  const last = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
  try {
    return last(decodeURIComponent(last(pathname))) || 'image';
  } catch {
    return last(pathname);
  }
}

/**
 * Opens what is behind a URL with one request, which also yields its first block. The server has to serve single ranges, and to
 * say an ETag or Last-Modified; each reply is compared with the first one, so that bytes of two states never meet.
 *
 * Small reads (`read`) go by blocks, some of which are kept; `readInto` asks for what it needs. Native jobs get the
 * whole source from memory, up to `maxHeldBytes`. Redirects are not followed.
 *
 * Errors, of opening and of each read: those of `requestRange`; `SOURCE_CHANGED` when a reply is of another state;
 * `INVALID_OPTION` for what is no such URL. `nativeInput` rejects with `LIMIT_EXCEEDED` beyond `maxHeldBytes`.
 */
export async function openHttp(location: string | URL, options: HttpOptions = {}): Promise<Source> {
  const url = parseUrl(location);
  const name = nameOfUrl(url);
  const { timeoutMs = DEFAULT_TIMEOUT_MS, maxHeldBytes = DEFAULT_MAX_HELD_BYTES } = options;
  const agents = options.agents ?? new HttpAgents();
  const letGo = (): void => {
    if (options.agents === undefined) agents.close();
  };
  const ask = { url, name, timeoutMs, agents, signal: options.signal };
  const head = new Uint8Array(BLOCK_BYTES);
  let confirmedAt = performance.now();
  const opened = await requestRange({ ...ask, from: 0, target: head }, (found) => checkValidator(found, name)).catch(
    (error: unknown) => {
      letGo();
      throw error;
    },
  );
  const { size } = opened;
  const version = versionOf(url, opened);
  let isChanged = false;
  let closing: Promise<void> | null = null;
  const reading = new Set<Promise<unknown>>();

  const accept = (found: Representation): void => {
    if (found.validator !== opened.validator || found.size !== size) throw changed(name);
  };
  const fill = async (target: Uint8Array, offset: number, signal = options.signal): Promise<void> => {
    for (let done = 0; done < target.length; done += MOST_READ) {
      const startedAt = performance.now();
      const part = target.subarray(done, done + MOST_READ);
      await requestRange({ ...ask, from: offset + done, target: part, signal }, accept).catch((error: unknown) => {
        const { code } = error as PyramidionError;
        isChanged ||= code === 'SOURCE_CHANGED' || code === 'SOURCE_NOT_FOUND';
        throw error;
      });
      confirmedAt = Math.max(confirmedAt, startedAt);
    }
  };
  /** Does work that has to end before the source is closed. */
  const during = async <Value>(work: () => Promise<Value>): Promise<Value> => {
    if (closing !== null) throw new PyramidionError('SOURCE_UNREADABLE', `${name} is closed`);
    const running = work();
    reading.add(running);
    try {
      return await running;
    } finally {
      reading.delete(running);
    }
  };

  const blocks = new Blocks(head.slice(0, size), size, fill);
  let whole: Uint8Array | null = null;
  let loading: Promise<NativeInput> | null = null;
  const load = async (): Promise<NativeInput> => {
    if (size > maxHeldBytes) {
      throw new PyramidionError(
        'LIMIT_EXCEEDED',
        `${name} has ${size} bytes; of a URL that is no pyramid at most ${maxHeldBytes} are held in memory`,
        { value: size, limit: maxHeldBytes },
      );
    }
    const bytes = new Uint8Array(new SharedArrayBuffer(size));
    await fill(bytes, 0);
    whole = bytes;
    blocks.clear();
    return { bytes };
  };

  return {
    kind: 'http',
    name,
    size,
    modified: opened.modified,
    heldBytes: size,
    version,
    read: (offset, length) =>
      during(async () => {
        const wanted = Math.max(0, Math.min(length, size - offset));
        return whole?.slice(offset, offset + wanted) ?? blocks.read(offset, wanted);
      }),
    readInto: (target, offset, signal) =>
      during(async () => {
        if (offset + target.length <= size) return fill(target, offset, signal);
        throw new PyramidionError('SOURCE_CHANGED', `${name} ends before byte ${offset + target.length}`);
      }),
    lend: () => null,
    nativeInput: () => {
      loading ??= during(load).catch((error: unknown) => {
        loading = null;
        throw error;
      });
      return loading;
    },
    sha256: (signal) =>
      during(() =>
        sha256Of(
          async (buffer, offset, length) => {
            if (whole === null) await fill(buffer.subarray(0, length), offset, signal);
            else await setImmediate();
            return whole?.subarray(offset, offset + length) ?? buffer.subarray(0, length);
          },
          size,
          signal,
        ),
      ),
    confirmedAt: () => confirmedAt,
    verifyUnchanged: async () => {
      if (isChanged) throw changed(name);
      // What is gone by now was read while it was there.
      const now = await httpVersion(url, { ...options, agents });
      if (now !== null && now !== version) throw changed(name);
    },
    verifyInPlace: async () => {
      if (isChanged) throw changed(name);
    },
    close: () => {
      closing ??= Promise.allSettled(reading).then(() => {
        whole = null;
        loading = null;
        blocks.clear();
        letGo();
      });
      return closing;
    },
  };
}

/**
 * {@link Source.version} of what is behind a URL now, by a request for one byte; null when there is nothing. Rejects as
 * {@link openHttp} does when that cannot be told.
 */
export async function httpVersion(location: string | URL, options: HttpOptions = {}): Promise<string | null> {
  const url = parseUrl(location);
  const name = nameOfUrl(url);
  const { timeoutMs = DEFAULT_TIMEOUT_MS, agents = new HttpAgents(), signal } = options;
  const target = new Uint8Array(1);
  try {
    const asked = { url, name, from: 0, target, timeoutMs, agents, signal };
    return versionOf(url, await requestRange(asked, (found) => checkValidator(found, name)));
  } catch (error) {
    if (error instanceof PyramidionError && error.code === 'SOURCE_NOT_FOUND') return null;
    throw error;
  } finally {
    if (options.agents === undefined) agents.close();
  }
}

/** URLs may hold credentials, and validators any text. */
function versionOf({ href }: URL, { validator, size }: Representation): string {
  return `http-${createHash('sha256')
    .update(JSON.stringify([href, validator, size]))
    .digest('hex')}`;
}

function checkValidator({ validator, size }: Representation, name: string): void {
  if (validator !== '' || size === 0) return;
  throw new PyramidionError(
    'SOURCE_UNREADABLE',
    `${name} cannot be read: its server says neither ETag nor Last-Modified, so that a change would not be seen`,
    { value: name },
  );
}

function parseUrl(location: string | URL): URL {
  const url = typeof location === 'string' && !URL.canParse(location) ? null : new URL(location);
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url;
  throw invalidOption('source', url?.protocol ?? 'a malformed one', 'an http: or https: URL');
}

function changed(name: string): PyramidionError {
  return new PyramidionError('SOURCE_CHANGED', `${name} was changed or replaced while it was read`);
}
