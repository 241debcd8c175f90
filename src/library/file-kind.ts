/** Files of a library that are read again only when they have changed. */
import { type FileHandle, open } from 'node:fs/promises';
import { PyramidionError } from '../errors.js';
import { fileVersion } from '../source/file.js';

/** What a file said in one state of it. As long as the file stays the same it is the same object. */
export interface ParsedFile<Content> {
  readonly path: string;
  /** As of `fileVersion`. */
  readonly version: string;
  /** Milliseconds since 1970. */
  readonly modifiedMs: number;
  readonly content: Content;
}

/** Files of one kind, each with what was last found in it. */
export class FileKind<Content> {
  readonly #name: string;
  readonly #parse: (bytes: Uint8Array, path: string) => Content | Promise<Content>;
  readonly #known = new Map<string, ParsedFile<Content>>();

  /** `name` is what messages call such a file; what `parse` throws says what is wrong with it. */
  constructor(name: string, parse: (bytes: Uint8Array, path: string) => Content | Promise<Content>) {
    this.#name = name;
    this.#parse = parse;
  }

  /**
   * What is in the file at a path. Rejects with `INVALID_OPTION`, which says what is wrong and has the path as its
   * value, when it cannot be read, or is not as it has to be.
   */
  async read(path: string): Promise<ParsedFile<Content>> {
    try {
      return await this.#read(path);
    } catch (error) {
      throw this.unusable(path, reasonOf(error), error);
    }
  }

  /** The same; null where there is no such file. */
  async readIfThere(path: string): Promise<ParsedFile<Content> | null> {
    try {
      return await this.#read(path);
    } catch (error) {
      const code = codeOf(error);
      if (code === 'ENOENT' || code === 'ENOTDIR') return null;
      throw this.unusable(path, reasonOf(error), error);
    }
  }

  /** The error for a file of this kind. */
  unusable(path: string, reason: string, cause?: unknown): PyramidionError {
    return new PyramidionError('INVALID_OPTION', `${this.#name} ${path} cannot be used: ${reason}`, {
      option: this.#name,
      value: path,
      cause,
    });
  }

  /** Forgets files that are not among these. */
  keep(paths: ReadonlySet<string>): void {
    for (const path of this.#known.keys()) if (!paths.has(path)) this.#known.delete(path);
  }

  async #read(path: string): Promise<ParsedFile<Content>> {
    const handle = await open(path, 'r');
    try {
      const before = await stateOf(handle);
      const known = this.#known.get(path);
      if (known?.version === before.version) return known;
      const bytes = await handle.readFile();
      if ((await stateOf(handle)).version !== before.version) throw new Error('it was written to while it was read');
      const parsed = { path, ...before, content: await this.#parse(bytes, path) };
      this.#known.set(path, parsed);
      return parsed;
    } finally {
      await handle.close();
    }
  }
}

/** The object that a JSON file holds. Throws an `Error` when there is none. */
export function parseJsonObject(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  // The decoder drops a byte order mark.
  const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  if (!isObject(value)) throw new Error('it holds no JSON object');
  return value;
}

/** Whether a value of JSON is an object and no list. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

async function stateOf(handle: FileHandle): Promise<{ version: string; modifiedMs: number }> {
  const found = await handle.stat({ bigint: true });
  if (!found.isFile()) throw new Error('it is not a regular file');
  return { version: fileVersion(found), modifiedMs: Number(found.mtimeMs) };
}

function reasonOf(error: unknown): string {
  const code = codeOf(error);
  if (code === 'ENOENT') return 'it does not exist';
  if (code?.startsWith('E') && !(error instanceof PyramidionError)) return `it cannot be read (${code})`;
  return error instanceof Error ? error.message : String(error);
}

function codeOf(error: unknown): string | undefined {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : undefined;
}
