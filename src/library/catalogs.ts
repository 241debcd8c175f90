/** All catalogs of a server: read from their files, told apart, and inheriting. */
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { PyramidionError, toPyramidionError } from '../errors.js';
import { DEFAULT_ATTRIBUTES, inherit, readManifest, withProfiles } from './attributes.js';
import { type CatalogFile, CatalogReader, merge, type ReadRules } from './catalog-file.js';
import { FileKind, type ParsedFile, parseJsonObject } from './file-kind.js';
import { type ReadPreset, readPresets } from './presets.js';
import type { Attributes, Catalog, CatalogSet } from './types.js';

/** Name of the default catalog's attribute file. */
const DEFAULT_INI = 'default.ini';

/** Where catalogs, manifest and presets are, and how their parts are read. */
export interface CatalogsOptions {
  /** Holds attribute files and what they name; null: there is only the default catalog. */
  readonly catalogFolder: string | null;
  /** File of the default manifest; it need not be there. */
  readonly manifestFile: string;
  /** File of the presets; it need not be there. */
  readonly presetsFile: string;
  /** Properties of the manifest, and presets, that hold where their files say nothing else. */
  readonly manifest: Readonly<Record<string, unknown>>;
  readonly presets: Readonly<Record<string, unknown>>;
  readonly readPreset: ReadPreset;
  readonly readRules: ReadRules;
  /** Is told of what is left aside in a file, when the file is read. `path` is '' for what came with the options. */
  readonly warn: (path: string, message: string) => void;
}

/** What all files said at one time. */
interface Loaded {
  readonly manifest: ParsedFile<Partial<Attributes>> | null;
  readonly presets: ParsedFile<ReadonlyMap<string, string>> | null;
  /** By the paths of their attribute files. */
  readonly catalogs: ReadonlyMap<string, CatalogFile>;
}

/** What a reload came to. */
export interface CatalogsChange {
  /**
   * Files that count now and did not before, or no longer do: attribute files stand for all files of their catalogs.
   */
  readonly changed: readonly string[];
  /** What could not be used; what it said before goes on to count. Each has the file's path as its value. */
  readonly errors: readonly PyramidionError[];
}

/** Reads all catalogs, again and again; what fails to be read leaves what was there. */
export class Catalogs {
  readonly #options: CatalogsOptions;
  readonly #manifests: FileKind<Partial<Attributes>>;
  readonly #presets: FileKind<ReadonlyMap<string, string>>;
  readonly #reader: CatalogReader;
  #given: { readonly manifest: Partial<Attributes>; readonly presets: ReadonlyMap<string, string> };
  #loaded: Loaded = { manifest: null, presets: null, catalogs: new Map() };
  #set: CatalogSet;

  /** Throws `INVALID_OPTION` for presets among the options that cannot be used. Files are not read yet. */
  constructor(options: CatalogsOptions) {
    const { readPreset, readRules, warn } = options;
    this.#options = options;
    this.#given = this.#read(options);
    this.#manifests = new FileKind('default manifest', (bytes, path) =>
      readManifest(parseJsonObject(bytes), (message) => warn(path, message)),
    );
    this.#presets = new FileKind('image presets', (bytes) => readPresets(parseJsonObject(bytes), readPreset));
    this.#reader = new CatalogReader(readRules, warn);
    this.#set = this.#link(0);
  }

  /**
   * The catalogs that count now. Each set stays as it is; a reload that changes something puts another in its place.
   */
  get set(): CatalogSet {
    return this.#set;
  }

  /**
   * Puts other properties and presets in the place of those of the options. Throws `INVALID_OPTION` for presets that
   * cannot be used, and changes nothing then. Not to be called while {@link reload} is under way.
   */
  give(given: Pick<CatalogsOptions, 'manifest' | 'presets'>): void {
    this.#given = this.#read(given);
    this.#set = this.#link(this.#set.generation + 1);
  }

  /** Reads what has changed. Not to be called while it is under way. */
  async reload(): Promise<CatalogsChange> {
    const before = this.#loaded;
    const errors: PyramidionError[] = [];
    const orBefore = async <Value>(reading: Promise<Value>, fallback: Value): Promise<Value> =>
      reading.catch((error: unknown) => {
        errors.push(toPyramidionError(error));
        return fallback;
      });
    const manifest = await orBefore(this.#manifests.readIfThere(this.#options.manifestFile), before.manifest);
    const presets = await orBefore(this.#presets.readIfThere(this.#options.presetsFile), before.presets);
    const catalogs = await this.#readCatalogs(before.catalogs, errors);
    const changed = [
      ...(manifest === before.manifest ? [] : [this.#options.manifestFile]),
      ...(presets === before.presets ? [] : [this.#options.presetsFile]),
      ...[...catalogs].filter(([path, catalog]) => before.catalogs.get(path) !== catalog).map(([path]) => path),
      ...[...before.catalogs.keys()].filter((path) => !catalogs.has(path)),
    ];
    this.#loaded = { manifest, presets, catalogs };
    this.#reader.keep(catalogs.values());
    if (changed.length > 0) this.#set = this.#link(this.#set.generation + 1);
    return { changed, errors };
  }

  /**
   * Paths of the attribute files there are, by name. Rejects with `INVALID_OPTION` when the folder cannot be listed.
   */
  async listIniFiles(): Promise<string[]> {
    const folder = this.#options.catalogFolder;
    if (folder === null) return [];
    const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
      // A folder that is gone may come back: its locks and filters are not given up for that.
      if (error.code === 'ENOENT' && this.#loaded.catalogs.size === 0) return [];
      throw new PyramidionError(
        'INVALID_OPTION',
        `the folder of catalogs ${folder} cannot be listed (${error.code ?? 'unknown error'})`,
        { option: 'catalogFolder', value: folder, cause: error },
      );
    });
    return names
      .filter((name) => /^[^.].*\.ini$/i.test(name))
      .sort()
      .map((name) => join(folder, name));
  }

  async #readCatalogs(
    before: ReadonlyMap<string, CatalogFile>,
    errors: PyramidionError[],
  ): Promise<ReadonlyMap<string, CatalogFile>> {
    const paths = await this.listIniFiles().catch((error: unknown) => {
      errors.push(toPyramidionError(error));
      return null;
    });
    if (paths === null) return before;
    const found = new Map<string, CatalogFile>();
    for (const path of paths) {
      const previous = before.get(path);
      try {
        found.set(path, await this.#reader.read(path, isDefault(path), previous));
      } catch (error) {
        errors.push(toPyramidionError(error));
        if (previous !== undefined) found.set(path, previous);
      }
    }
    if (paths.length > 0 && !paths.some(isDefault)) {
      const path = join(this.#options.catalogFolder ?? '', DEFAULT_INI);
      const previous = before.get(path);
      errors.push(toPyramidionError(this.#reader.unusable(path, 'it does not exist, and there are other catalogs')));
      if (previous !== undefined) found.set(path, previous);
    }
    return this.#withoutTwins(found, before, errors);
  }

  /** Without those whose RootId another has: whoever had it before keeps it, then the first by name. */
  #withoutTwins(
    found: ReadonlyMap<string, CatalogFile>,
    before: ReadonlyMap<string, CatalogFile>,
    errors: PyramidionError[],
  ): ReadonlyMap<string, CatalogFile> {
    const isOld = ({ path, rootId }: CatalogFile): boolean => before.get(path)?.rootId === rootId;
    const inOrder = [...found.values()].sort((a, b) => Number(isOld(b)) - Number(isOld(a)));
    const kept = new Map<string, CatalogFile>();
    const taken = new Map<string, string>();
    const keep = (catalog: CatalogFile): void => {
      taken.set(catalog.rootId, catalog.path);
      kept.set(catalog.path, catalog);
    };
    for (const catalog of inOrder) {
      const twin = taken.get(catalog.rootId);
      if (twin === undefined) {
        keep(catalog);
        continue;
      }
      const reason = `${basename(twin)} has the same RootId ${catalog.rootId}`;
      errors.push(toPyramidionError(this.#reader.unusable(catalog.path, reason)));
      const previous = before.get(catalog.path);
      if (previous !== undefined && !taken.has(previous.rootId)) keep(previous);
    }
    return kept;
  }

  #read({ manifest, presets }: Pick<CatalogsOptions, 'manifest' | 'presets'>): {
    readonly manifest: Partial<Attributes>;
    readonly presets: ReadonlyMap<string, string>;
  } {
    const { readPreset, warn } = this.#options;
    return {
      manifest: readManifest(manifest, (message) => warn('', message)),
      presets: presetsOf(presets, readPreset),
    };
  }

  #link(generation: number): CatalogSet {
    const { manifest, presets, catalogs } = this.#loaded;
    const files = [...catalogs.values()];
    const base = files.find(({ path }) => isDefault(path));
    const said = { ...this.#given.manifest, ...manifest?.content, ...base?.attributes };
    const fileTime = base?.fileTime ?? manifest?.modifiedMs ?? 0;
    const inherited = inherit(said, DEFAULT_ATTRIBUTES, fileTime);
    const macros = [this.#given.presets, presets?.content, base?.macros];
    const standard: Catalog = {
      attributes: withProfiles(inherited),
      records: base?.records ?? new Map(),
      macros: merge(macros.flatMap((content) => content ?? []).map((content) => ({ content }))),
      profiles: base?.profiles ?? new Map(),
      rules: base?.rules ?? [],
      fileTime,
    };
    const byRootId = new Map<string, Catalog>();
    for (const { path, rootId, attributes, records, macros, profiles, rules, fileTime } of files) {
      if (isDefault(path)) continue;
      byRootId.set(rootId, {
        attributes: withProfiles(inherit(attributes, inherited, fileTime)),
        records,
        macros: merge([{ content: standard.macros }, { content: macros }]),
        profiles: merge([{ content: standard.profiles }, { content: profiles }]),
        rules,
        fileTime,
      });
    }
    return { generation, default: standard, byRootId };
  }
}

function isDefault(path: string): boolean {
  return basename(path).toLowerCase() === DEFAULT_INI;
}

function presetsOf(presets: Readonly<Record<string, unknown>>, readPreset: ReadPreset): ReadonlyMap<string, string> {
  try {
    return readPresets(presets, readPreset);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new PyramidionError('INVALID_OPTION', `the presets cannot be used: ${reason}`, {
      option: 'presets',
      cause: error,
    });
  }
}
