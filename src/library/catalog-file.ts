/** Catalogs as their files have them, before they inherit. */
import { dirname, resolve } from 'node:path';
import { shown } from '../errors.js';
import { type CatalogFiles, type OwnAttributes, readAttributes } from './attributes.js';
import { FileKind, type ParsedFile } from './file-kind.js';
import { decodeText, parseIni, type Warn } from './ini.js';
import { isMacroName } from './presets.js';
import { RECORD_COLUMNS, recordOfRow } from './records.js';
import { readTable } from './table.js';
import type { AssetRecord, Attributes, Rule } from './types.js';

/** One catalog, with what its own files say and nothing else. */
export interface CatalogFile {
  /** Path of its attribute file. */
  readonly path: string;
  /** '' for the default catalog. */
  readonly rootId: string;
  readonly attributes: Partial<Attributes>;
  /** When the attribute file was last modified, milliseconds since 1970. */
  readonly fileTime: number;
  readonly records: ReadonlyMap<string, AssetRecord>;
  /** By names in lower case, in the order of the files. */
  readonly macros: ReadonlyMap<string, string>;
  /** Absolute paths by names. */
  readonly profiles: ReadonlyMap<string, string>;
  readonly rules: readonly Rule[];
  /** The files it was made of: while they are the same, so is the catalog. */
  readonly files: readonly ParsedFile<unknown>[];
}

/** Makes rules of the text of a rule set; throws what is wrong with it. */
export type ReadRules = (xml: string) => readonly Rule[];

/** Reads catalogs, and remembers what was in each of their files. */
export class CatalogReader {
  readonly #attributes: FileKind<OwnAttributes>;
  readonly #records: FileKind<ReadonlyMap<string, AssetRecord>>;
  readonly #macros: FileKind<ReadonlyMap<string, string>>;
  readonly #profiles: FileKind<ReadonlyMap<string, string>>;
  readonly #rules: FileKind<readonly Rule[]>;

  /** `warn` is told of what is left aside in a file, when the file is read. */
  constructor(readRules: ReadRules, warn: (path: string, message: string) => void) {
    const warnOf =
      (path: string): Warn =>
      (message) =>
        warn(path, message);
    this.#attributes = new FileKind('catalog', (bytes, path) =>
      readAttributes(parseIni(decodeText(bytes), warnOf(path)).values(), warnOf(path)),
    );
    this.#records = new FileKind('image catalog', async (bytes, path) => readRecords(decodeText(bytes), warnOf(path)));
    this.#macros = new FileKind('macro file', async (bytes, path) => {
      const macros = new Map<string, string>();
      await readTable(decodeText(bytes), { key: 'Name', others: ['Definition'] }, warnOf(path), (cell, line) => {
        const name = cell('Name');
        if (!isMacroName(name)) return warn(path, `line ${line}: ${shown(name)} is no name of a macro`);
        put(macros, name.toLowerCase(), cell('Definition'));
      });
      return macros;
    });
    this.#profiles = new FileKind('profile map', async (bytes, path) => {
      const profiles = new Map<string, string>();
      await readTable(decodeText(bytes), { key: 'Name', others: ['ProfilePath'] }, warnOf(path), (cell, line) => {
        const [name, profilePath] = [cell('Name'), cell('ProfilePath')];
        if (name.includes(',')) return warn(path, `line ${line}: the name ${shown(name)} has a comma`);
        if (profilePath === '') return warn(path, `line ${line}: ${shown(name)} has no path`);
        profiles.set(name, resolve(dirname(path), profilePath));
      });
      return profiles;
    });
    this.#rules = new FileKind('rule set', (bytes) => readRules(decodeXml(bytes)));
  }

  /**
   * Reads a catalog: its attribute file, and of the others those that have changed since. Yields `previous` where
   * nothing has. Rejects with `INVALID_OPTION`, whose value is the path of the file that cannot be used.
   */
  async read(path: string, isDefault: boolean, previous: CatalogFile | undefined): Promise<CatalogFile> {
    const attributes = await this.#attributes.read(path);
    const { values, files } = attributes.content;
    const { rootId = '' } = values;
    if (isDefault && rootId !== '') throw this.unusable(path, 'the default catalog has no RootId');
    if (!isDefault && rootId === '') throw this.unusable(path, 'it has no RootId, or none that is allowed');
    const records = await readAll(path, files.records, this.#records);
    const macros = await readAll(path, files.macros, this.#macros);
    const profiles = await readAll(path, files.profiles, this.#profiles);
    const rules = await readAll(path, files.rules, this.#rules);
    const parsed = [attributes, ...records, ...macros, ...profiles, ...rules];
    const isSame = previous?.files.length === parsed.length && previous.files.every((file, at) => file === parsed[at]);
    if (isSame) return previous;
    return {
      path,
      rootId,
      attributes: values,
      fileTime: attributes.modifiedMs,
      records: merge(records),
      macros: merge(macros),
      profiles: merge(profiles),
      rules: rules.flatMap(({ content }) => content),
      files: parsed,
    };
  }

  /** The error for an attribute file. */
  unusable(path: string, reason: string): Error {
    return this.#attributes.unusable(path, reason);
  }

  /** Forgets files of which none of the catalogs is made. */
  keep(catalogs: Iterable<CatalogFile>): void {
    const paths = new Set([...catalogs].flatMap(({ files }) => files.map(({ path }) => path)));
    for (const files of [this.#attributes, this.#records, this.#macros, this.#profiles, this.#rules]) files.keep(paths);
  }
}

/** Several tables as one: later entries take the place of earlier ones of the same name, at the end. */
export function merge<Value>(
  tables: readonly { readonly content: ReadonlyMap<string, Value> }[],
): ReadonlyMap<string, Value> {
  const [first, ...rest] = tables;
  if (first !== undefined && rest.length === 0) return first.content;
  const merged = new Map<string, Value>();
  for (const { content } of tables) for (const [name, value] of content) put(merged, name, value);
  return merged;
}

function put<Value>(into: Map<string, Value>, name: string, value: Value): void {
  // A macro may call those before it: one that is defined again stands where it was defined last.
  into.delete(name);
  into.set(name, value);
}

function readAll<Content>(
  iniPath: string,
  names: CatalogFiles['records'],
  files: FileKind<Content>,
): Promise<ParsedFile<Content>[]> {
  return Promise.all(names.map((name) => files.read(resolve(dirname(iniPath), name))));
}

async function readRecords(text: string, warn: Warn): Promise<ReadonlyMap<string, AssetRecord>> {
  const records = new Map<string, AssetRecord>();
  await readTable(text, RECORD_COLUMNS, warn, (cell, line) => {
    const id = cell('Id');
    const warnOfRow: Warn = (message) => warn(`line ${line}: ${message}`);
    if (id.includes(',')) return warnOfRow(`the id ${shown(id)} has a comma`);
    records.set(id, recordOfRow(id, cell, warnOfRow));
  });
  return records;
}

/** XML in the two encodings that rule sets are written in. */
function decodeXml(bytes: Uint8Array): string {
  const head = Buffer.from(bytes.subarray(0, 100)).toString('latin1');
  const isLatin1 = /^<\?xml[^>]*encoding=["'](?:iso-8859-1|us-ascii)["']/i.test(head);
  return new TextDecoder(isLatin1 ? 'latin1' : 'utf-8', { fatal: true }).decode(bytes);
}
