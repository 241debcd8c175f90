/** From the path of an image to its file: a folder of renditions, or a plain file, below the first root that has it. */
import { readFile, realpath } from 'node:fs/promises';
import { isAbsolute, join, posix } from 'node:path';
import { LRUCache } from 'lru-cache';
import { PyramidionError } from '../errors.js';
import { isHttpUrl } from '../source/http.js';
import { isObject } from './file-kind.js';
import { look, reasonAgainst, reasonAgainstOwn } from './jail.js';
import { recordOfJson } from './records.js';
import type { AssetRecord } from './types.js';

/** The pyramid in a folder of renditions. */
export const RENDITION = 'cqdam.pyramid.tiff';
/** The record beside a folder of renditions. */
export const RECORD_FILE = 'record.json';

/**
 * Where the renditions of an asset are, below its folder: as `ingest` writes them, and as exports of repositories do.
 */
const LAYOUTS = ['', 'jcr:content', '_jcr_content'];

/** Suffixes that are tried for a path without one, after the catalog's own. */
const SUFFIXES = ['.tif', '.tiff', '.jpg', '.jpeg', '.png', '.webp', '.gif', '.avif'];

/** Largest `record.json`, in bytes. */
const MAX_RECORD_BYTES = 1 << 20;
/** Most look-ups that are kept, and how many characters their paths may have together. */
const MAX_KEPT = 20_000;
const MAX_KEPT_CHARACTERS = 4 << 20;

/** What a path stands for. Everything is null where there is no such image. */
export interface Asset {
  /** A true path, or a URL. */
  readonly file: string | null;
  readonly record: AssetRecord | null;
  readonly recordFile: string | null;
}

/** A path to look for. */
export interface AssetPath {
  /** Between the roots and the path; it may be absolute. '' is nothing. */
  readonly rootPath: string;
  readonly path: string;
  /** A client wrote it, rather than a catalog: then it may be relative only, and its suffix may be left out. */
  readonly isRequest: boolean;
  /** The suffix to try first for a path without one; '' is none. */
  readonly defaultExt: string;
}

/** Where images are looked for, and how. */
export interface AssetsOptions {
  /** Folders and http(s) URLs, the first one first. */
  readonly roots: readonly string[];
  /** The version of what is behind a URL; null when there is nothing. */
  readonly remoteVersion: (url: string) => Promise<string | null>;
  /** Milliseconds that the outcome of a look-up is used again; 0: each looks. */
  readonly keepMs: number;
  /** Is told of paths that are not looked at, and of fields in records that are left aside. */
  readonly onRefused: (path: string, reason: string) => void;
  readonly warn: (path: string, message: string) => void;
}

const NOTHING: Asset = { file: null, record: null, recordFile: null };

/** Finds the files of images. */
export class Assets {
  readonly #options: AssetsOptions;
  readonly #kept = new LRUCache<string, { until: number; readonly asset: Promise<Asset> }>({
    max: MAX_KEPT,
    maxSize: MAX_KEPT_CHARACTERS,
    sizeCalculation: (_, key) => key.length,
  });

  constructor(options: AssetsOptions) {
    this.#options = options;
  }

  /**
   * The file of an image, with the record beside it. A path that leads out of its root, or that a client may not name,
   * finds nothing. Look-ups of the same path are shared, and their outcome is kept for a while. Rejects with
   * `SOURCE_UNREADABLE` when the system fails or a record cannot be read, and as `remoteVersion` does.
   */
  find(asked: AssetPath): Promise<Asset> {
    const { path, rootPath, isRequest, defaultExt } = asked;
    const key = `${isRequest ? defaultExt : '/'}\n${rootPath}\n${path}`;
    const kept = this.#kept.get(key);
    if (kept !== undefined && performance.now() < kept.until) return kept.asset;
    const reason = isRequest ? reasonAgainst(path) : reasonAgainstOwn(path);
    if (path === '' || reason !== null) {
      if (reason !== null && path !== '') this.#options.onRefused(path, reason);
      return Promise.resolve(NOTHING);
    }
    const asset = this.#find(asked);
    const entry = { until: Number.POSITIVE_INFINITY, asset };
    this.#kept.set(key, entry);
    asset.then(
      () => {
        entry.until = performance.now() + this.#options.keepMs;
      },
      () => {
        if (this.#kept.peek(key) === entry) this.#kept.delete(key);
      },
    );
    return asset;
  }

  /** Forgets what was found: files may have come or gone. */
  forget(): void {
    this.#kept.clear();
  }

  async #find({ rootPath, path, isRequest, defaultExt }: AssetPath): Promise<Asset> {
    const whole = isAbsolute(path) || rootPath === '' ? path : `${rootPath}/${path}`;
    const reason = reasonAgainstOwn(whole);
    if (reason !== null) {
      this.#options.onRefused(whole, reason);
      return NOTHING;
    }
    const isBare = isRequest && posix.extname(path) === '';
    const own = isBare && defaultExt !== '' ? [defaultExt] : [];
    const guessed = isBare ? SUFFIXES.filter((suffix) => suffix !== defaultExt) : [];
    const { roots } = this.#options;
    const folders = roots.filter((root) => !isHttpUrl(root));
    if (isAbsolute(whole)) return (await this.#findLocal('', whole, ['', ...own, ...guessed], folders)) ?? NOTHING;
    for (const root of roots) {
      // Each look at a server is a request: there are no guesses.
      const found = isHttpUrl(root)
        ? await this.#findRemote(root, whole, ['', ...own])
        : await this.#findLocal(root, whole, ['', ...own, ...guessed], [root]);
      if (found !== null) return found;
    }
    return NOTHING;
  }

  async #findLocal(
    root: string,
    path: string,
    suffixes: readonly string[],
    jails: readonly string[],
  ): Promise<Asset | null> {
    const resolved = await Promise.all(jails.map((jail) => realpath(jail).catch(() => null)));
    const trueJails = resolved.filter((jail) => jail !== null);
    if (trueJails.length === 0) return null;
    for (const suffix of suffixes) {
      const found = await this.#look(join(root, `${path}${suffix}`), trueJails);
      if (found?.kind === 'file') return { ...NOTHING, file: found.path };
      const asset = found === null ? null : await this.#readFolder(found.path, `${path}${suffix}`, trueJails);
      if (asset !== null) return asset;
    }
    return null;
  }

  /** The rendition in a folder, and its record; null where there is neither. */
  async #readFolder(folder: string, id: string, jails: readonly string[]): Promise<Asset | null> {
    for (const layout of LAYOUTS) {
      const rendition = await this.#look(join(folder, layout, 'renditions', RENDITION), jails);
      if (rendition?.kind === 'file')
        return { file: rendition.path, ...(await this.#readRecord(join(folder, layout, RECORD_FILE), id, jails)) };
    }
    const record = await this.#readRecord(join(folder, RECORD_FILE), id, jails);
    return record.recordFile === null ? null : { file: null, ...record };
  }

  async #readRecord(path: string, id: string, jails: readonly string[]): Promise<Omit<Asset, 'file'>> {
    const found = await this.#look(path, jails);
    if (found?.kind !== 'file') return { record: null, recordFile: null };
    try {
      const bytes = await readFile(found.path);
      if (bytes.length > MAX_RECORD_BYTES) throw new Error(`it has more than ${MAX_RECORD_BYTES} bytes`);
      const fields: unknown = JSON.parse(bytes.toString('utf8'));
      if (!isObject(fields)) throw new Error('it holds no JSON object');
      const record = recordOfJson(id, fields, (message) => this.#options.warn(path, message));
      return { record, recordFile: found.path };
    } catch (error) {
      // Without what its record says the image would be shown in another way than it should be.
      throw new PyramidionError('SOURCE_UNREADABLE', 'the record of the image cannot be read', {
        cause: error,
        detail: `${path}: ${error instanceof Error ? error.message : String(error)}`,
      });
    }
  }

  /** What is at a path, unless it is nothing or nothing for us. */
  async #look(path: string, jails: readonly string[]): Promise<{ kind: 'file' | 'folder'; path: string } | null> {
    const found = await look(path, jails);
    if (found.kind === 'refused') this.#options.onRefused(path, found.reason);
    return found.kind === 'file' || found.kind === 'folder' ? found : null;
  }

  async #findRemote(root: string, path: string, suffixes: readonly string[]): Promise<Asset | null> {
    for (const suffix of suffixes) {
      const elements = `${path}${suffix}`.split('/').filter((element) => element !== '');
      const folders = LAYOUTS.map((layout) => [...elements, layout, 'renditions', RENDITION]);
      for (const parts of [...folders, elements]) {
        const encoded = parts.filter((part) => part !== '').map(encodeURIComponent);
        const url = `${root.replace(/\/+$/, '')}/${encoded.join('/')}`;
        if ((await this.#options.remoteVersion(url)) !== null) return { ...NOTHING, file: url };
      }
    }
    return null;
  }
}
