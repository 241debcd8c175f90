/** The library of a server: its catalogs as they are now, and the files of its images. */
import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { invalidOption, type PyramidionError, toPyramidionError } from '../errors.js';
import { fileVersionAt } from '../source/file.js';
import { httpVersion, isHttpUrl } from '../source/http.js';
import { Assets } from './assets.js';
import type { ReadRules } from './catalog-file.js';
import { Catalogs, type CatalogsChange } from './catalogs.js';
import { type MainCatalog, mainCatalog, nameObject } from './locate.js';
import type { ReadPreset } from './presets.js';
import type { Catalog, CatalogSet, Located } from './types.js';

/** Where the default manifest lies, below the first root that is a folder. */
export const DEFAULT_SETTINGS_FOLDER = 'conf/global/settings/dam/dm/imageserver';

/** Where a library is, and how its parts are read. Relative paths are those of the process. */
export interface LibraryOptions {
  /** Folders of images, and http(s) URLs below which images are, the first one first. Folders have to be there. */
  readonly roots: readonly string[];
  /**
   * Folder of image catalogs (`*.ini`); without one, or with an empty or missing one, there is the default catalog
   * only.
   */
  readonly catalogFolder?: string | null;
  /**
   * Folder of `manifest.json`; presets are in `../presets/macros.json` from there. Default: {@link
   * DEFAULT_SETTINGS_FOLDER} below the first root that is a folder. The files need not be there.
   */
  readonly settingsFolder?: string;
  /** Properties of the default manifest; the file's come before them, and those of `default.ini` before both. */
  readonly manifest?: Readonly<Record<string, unknown>>;
  /** Image presets, by name; the file's come before them. */
  readonly presets?: Readonly<Record<string, unknown>>;
  /** Turns a preset that is an object of fields into query text. */
  readonly readPreset: ReadPreset;
  /** Turns the XML of a rule set into rules. */
  readonly readRules: ReadRules;
  /** The version of what is behind a URL; null when there is nothing. Default: asks its server. */
  readonly remoteVersion?: (url: string) => Promise<string | null>;
  /** Milliseconds between two looks for changes; 0: none. Default 10 000. */
  readonly refreshIntervalMs?: number;
  /** Milliseconds that an attribute file is left to settle after a change. Default 5000. */
  readonly modificationWaitMs?: number;
  /** Milliseconds that it counts where an image was found, or that it was not. Default 1000. */
  readonly lookUpMs?: number;
  /** Is told what goes wrong without keeping the library from going on. */
  readonly onEvent?: (event: LibraryEvent) => void;
}

/** What a log may want to know of a library. Paths in it are the server's own. */
export type LibraryEvent =
  /** Something in a file is left aside; `path` is '' for what the options say. */
  | { readonly kind: 'warning'; readonly path: string; readonly message: string }
  /** A file could not be used: what it said before goes on to count. */
  | { readonly kind: 'error'; readonly error: PyramidionError }
  /** A path was not looked at: it is forbidden, or leads out of its root. */
  | { readonly kind: 'refused'; readonly path: string; readonly reason: string }
  /** Other catalogs count from now on, because of changes in these files. */
  | { readonly kind: 'loaded'; readonly generation: number; readonly changed: readonly string[] };

/** Versions by the paths of files, null for what is not there. */
type Versions = ReadonlyMap<string, string | null>;

/**
 * Catalogs and files of a server. The catalogs are loaded anew when their attribute files, the manifest or the presets
 * change: all at once, and a file that cannot be used leaves in force what it said before. Data files are read when an
 * attribute file that names them has changed, or on {@link Library.reload}, and only those that are not the same.
 */
export class Library {
  readonly #catalogs: Catalogs;
  readonly #assets: Assets;
  readonly #settingsFiles: readonly string[];
  readonly #remoteVersion: (url: string) => Promise<string | null>;
  readonly #modificationWaitMs: number;
  readonly #onEvent: (event: LibraryEvent) => void;
  readonly #listeners = new Set<(set: CatalogSet) => void>();
  readonly #closing = new AbortController();
  #timer: NodeJS.Timeout | null = null;
  /** What the catalogs were made of, and files that could not be used. */
  #seen: Versions = new Map();
  #reloading: Promise<unknown> = Promise.resolve();

  /**
   * Loads a library. Rejects with `INVALID_OPTION` when a root is no folder, or a file of a catalog, the manifest or
   * the presets cannot be used. Close it.
   */
  static async open(options: LibraryOptions): Promise<Library> {
    await checkRoots(options.roots);
    const library = new Library(options);
    const { errors } = await library.reload();
    const [error] = errors;
    if (error !== undefined) throw error;
    library.#pollEvery(options.refreshIntervalMs ?? 10_000);
    return library;
  }

  private constructor(options: LibraryOptions) {
    const { roots, manifest = {}, presets = {}, readPreset, readRules, onEvent = () => {} } = options;
    const { remoteVersion = httpVersion, modificationWaitMs = 5000, lookUpMs = 1000 } = options;
    const folders = roots.filter((root) => !isHttpUrl(root)).map((root) => resolve(root));
    const settingsFolder = resolve(options.settingsFolder ?? join(folders[0] ?? '', DEFAULT_SETTINGS_FOLDER));
    const manifestFile = join(settingsFolder, 'manifest.json');
    const presetsFile = join(settingsFolder, '..', 'presets', 'macros.json');
    const warn = (path: string, message: string): void => onEvent({ kind: 'warning', path, message });
    this.#settingsFiles = [manifestFile, presetsFile];
    this.#remoteVersion = (url) => remoteVersion(url);
    this.#modificationWaitMs = modificationWaitMs;
    this.#onEvent = onEvent;
    const catalogFolder = options.catalogFolder == null ? null : resolve(options.catalogFolder);
    const read = { manifest, presets, readPreset, readRules, warn };
    this.#catalogs = new Catalogs({ catalogFolder, manifestFile, presetsFile, ...read });
    this.#assets = new Assets({
      roots: roots.map((root) => (isHttpUrl(root) ? root : resolve(root))),
      remoteVersion: this.#remoteVersion,
      keepMs: lookUpMs,
      onRefused: (path, reason) => onEvent({ kind: 'refused', path, reason }),
      warn,
    });
  }

  /** The catalogs as they are now. A request keeps to the set it began with. */
  get catalogs(): CatalogSet {
    return this.#catalogs.set;
  }

  /** Calls `listener` with each new set of catalogs, until the function it yields is called. */
  onChange(listener: (set: CatalogSet) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Reads what has changed in any file. Yields the files that count now, or no longer do; and those that cannot be
   * used, as errors with code `INVALID_OPTION`, which are told to `onEvent` too. Never rejects.
   */
  reload(): Promise<CatalogsChange> {
    const reloading = this.#reloading.then(() => this.#reload());
    this.#reloading = reloading.catch(() => {});
    return reloading;
  }

  /**
   * Puts other properties and presets in the place of those of {@link LibraryOptions}; files go on to come before them.
   * Rejects with `INVALID_OPTION` for presets that cannot be used: those before go on to count then.
   */
  configure(given: Required<Pick<LibraryOptions, 'manifest' | 'presets'>>): Promise<void> {
    const configuring = this.#reloading.then(() => {
      this.#catalogs.give(given);
      this.#published(['the configuration']);
    });
    this.#reloading = configuring.catch(() => {});
    return configuring;
  }

  /** See {@link mainCatalog}. */
  mainCatalog(set: CatalogSet, elements: readonly string[]): MainCatalog {
    return mainCatalog(set, elements);
  }

  /**
   * What an object stands for, and where its image is; see {@link nameObject}. `object` is decoded, and is looked for
   * in the main catalog of the request; where `isRooted` (it began with a slash, which is not part of it), in the
   * default one. An object that is not there has neither file nor record, and so has one whose path may not be looked
   * at.
   *
   * Errors: `REQUEST_REFUSED` for a path where the catalog's images may be named by their records only;
   * `SOURCE_UNREADABLE` when the system fails or the record of a folder cannot be read; those of `remoteVersion`.
   */
  async locate(
    set: CatalogSet,
    main: Catalog,
    object: string,
    { isRooted = false }: { readonly isRooted?: boolean } = {},
  ): Promise<Located> {
    const named = nameObject(set, isRooted ? set.default : main, object);
    const { catalog } = named;
    const { rootPath, defaultExt } = catalog.attributes;
    const isRequest = named.kind === 'path';
    const path = isRequest ? named.path : named.record.path;
    const { file, ...beside } = await this.#assets.find({ rootPath, path, isRequest, defaultExt });
    if (named.kind === 'path') return { object, catalog, file, byPath: true, ...beside };
    return { object, catalog, file, byPath: false, record: named.record, recordFile: null };
  }

  /** The version of a file, or of what is behind a URL; null when there is nothing. */
  versionOf(id: string): Promise<string | null> {
    return isHttpUrl(id) ? this.#remoteVersion(id) : fileVersionAt(id);
  }

  /** Forgets where images were found, as after files were added. */
  forget(): void {
    this.#assets.forget();
  }

  /** Looks for changes no more. */
  async close(): Promise<void> {
    this.#closing.abort();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    await this.#reloading;
  }

  async #reload(): Promise<CatalogsChange> {
    const seen = await versionsOf(await this.#watchedFiles());
    const change = await this.#catalogs.reload();
    // A file that could not be used is watched, so that it counts as soon as it is mended.
    const troubled = change.errors.map(({ value }) => value).filter((value) => typeof value === 'string');
    this.#seen = new Map([...seen, ...(await versionsOf(troubled))]);
    for (const error of change.errors) this.#onEvent({ kind: 'error', error });
    if (change.changed.length > 0) this.#published(change.changed);
    return change;
  }

  /** Tells that other catalogs count, because of these changes. */
  #published(changed: readonly string[]): void {
    this.#assets.forget();
    const set = this.#catalogs.set;
    this.#onEvent({ kind: 'loaded', generation: set.generation, changed });
    for (const listener of this.#listeners) listener(set);
  }

  async #watchedFiles(): Promise<string[]> {
    const iniFiles = await this.#catalogs.listIniFiles().catch(() => []);
    return [...this.#settingsFiles, ...iniFiles];
  }

  #pollEvery(intervalMs: number): void {
    if (intervalMs === 0) return;
    this.#timer = setTimeout(() => {
      this.#poll()
        .catch((error: unknown) => this.#onEvent({ kind: 'error', error: toPyramidionError(error) }))
        .finally(() => {
          if (!this.#closing.signal.aborted) this.#pollEvery(intervalMs);
        });
    }, intervalMs);
    this.#timer.unref();
  }

  async #poll(): Promise<void> {
    const now = await versionsOf([...(await this.#watchedFiles()), ...this.#seen.keys()]);
    const changed = [...now].filter(([path, version]) => this.#seen.get(path) !== version).map(([path]) => path);
    if (changed.length === 0) return;
    if (changed.some((path) => !this.#settingsFiles.includes(path))) {
      const { signal } = this.#closing;
      await wait(this.#modificationWaitMs, null, { ref: false, signal }).catch(() => {});
    }
    if (!this.#closing.signal.aborted) await this.reload();
  }
}

async function versionsOf(paths: readonly string[]): Promise<Map<string, string | null>> {
  const different = [...new Set(paths)];
  const versions = await Promise.all(different.map(fileVersionAt));
  return new Map(different.map((path, at) => [path, versions[at] ?? null]));
}

async function checkRoots(roots: readonly string[]): Promise<void> {
  if (roots.length === 0) throw invalidOption('roots', roots, 'at least one folder or http(s) URL');
  for (const root of roots) {
    const isThere = isHttpUrl(root) ? URL.canParse(root) : (await stat(root).catch(() => null))?.isDirectory();
    if (isThere !== true) throw invalidOption('roots', root, 'folders that are there, or http(s) URLs');
  }
}
