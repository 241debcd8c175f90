/** Puts images into a library: their pyramids as renditions, with records beside them. */
import { mkdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Engine } from '../engine.js';
import { invalidOption, PyramidionError } from '../errors.js';
import { writeWhole } from '../ingest/commit.js';
import type { BuildOptions, BuildReport } from '../ingest/types.js';
import { openFile } from '../source/file.js';
import { RECORD_FILE, RENDITION } from './assets.js';
import { isObject } from './file-kind.js';
import { reasonAgainst } from './jail.js';

/** How an image is ingested. */
export interface IngestOptions {
  /** Also when the library has a pyramid of the same bytes. */
  readonly isForced?: boolean;
  /** How the pyramid is made. It replaces the one that is there, in one step. */
  readonly build?: Omit<BuildOptions, 'ifExists' | 'signal' | 'onProgress'>;
  readonly signal?: AbortSignal;
  readonly onProgress?: NonNullable<BuildOptions['onProgress']>;
}

/** What became of an image. */
export interface Ingested {
  /** The pyramid. */
  readonly path: string;
  readonly recordPath: string;
  /** SHA-256 of the source, lower-case hex. */
  readonly sha256: string;
  /** null: the library had a pyramid of the same bytes already. */
  readonly report: BuildReport | null;
}

/**
 * Makes the asset `relativePath` of the library at `libraryRoot` (a folder, which is made when it is missing) of the
 * image file `source`: the folder of that name gets `renditions/cqdam.pyramid.tiff`, then `record.json`. Of a record
 * that is there, everything is kept but `timeStamp` (when the image was ingested) and `source`: `{ name, sha256 }` of
 * the file. Nothing is built where the record says the same SHA-256 and the pyramid is there. Two calls for one asset
 * must not be under way at once.
 *
 * Errors: `INVALID_OPTION` for a path that no client could ask for; `SOURCE_NOT_FOUND`, `SOURCE_UNREADABLE` and
 * `SOURCE_CHANGED`; `OUTPUT_NOT_WRITABLE` also where a file has the name of the asset, or its record is none; those of
 * `Engine.build`.
 */
export async function ingestOne(
  engine: Pick<Engine, 'build'>,
  source: string,
  libraryRoot: string,
  relativePath: string,
  options: IngestOptions = {},
): Promise<Ingested> {
  const reason = reasonAgainst(relativePath);
  if (reason !== null) {
    throw invalidOption('relativePath', relativePath, `a path that can be asked for (of this one, ${reason})`);
  }
  const { isForced = false, signal, onProgress } = options;
  const folder = join(libraryRoot, relativePath);
  const path = join(folder, 'renditions', RENDITION);
  const recordPath = join(folder, RECORD_FILE);
  const record = await readRecord(recordPath);
  if (!isForced && (await isFile(path))) {
    const sha256 = await sha256Of(source, signal);
    if (sha256 === sha256In(record)) return { path, recordPath, sha256, report: null };
  }
  await mkdir(join(folder, 'renditions'), { recursive: true }).catch((cause: unknown) => {
    throw notWritable(`the folder of the asset ${folder} cannot be made`, cause);
  });
  const report = await engine.build(source, path, {
    ...options.build,
    ifExists: 'replace',
    ...(signal === undefined ? {} : { signal }),
    ...(onProgress === undefined ? {} : { onProgress }),
  });
  const { sha256 } = report;
  const written = { ...record, timeStamp: Date.now(), source: { name: basename(source), sha256 } };
  await writeWhole(recordPath, Buffer.from(`${JSON.stringify(written, null, 2)}\n`));
  return { path, recordPath, sha256, report };
}

/** The record that is there; empty when there is none. */
async function readRecord(path: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    const record: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (isObject(record)) return record;
    throw new Error('it holds no JSON object');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return {};
    // What somebody wrote there would be lost.
    throw notWritable(`the record ${path} cannot be read, so it is not replaced`, cause);
  }
}

function sha256In({ source }: Readonly<Record<string, unknown>>): unknown {
  return isObject(source) ? source.sha256 : undefined;
}

async function sha256Of(path: string, signal: AbortSignal | undefined): Promise<string> {
  const source = await openFile(path);
  try {
    return await source.sha256(signal);
  } finally {
    await source.close();
  }
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null))?.isFile() === true;
}

function notWritable(message: string, cause: unknown): PyramidionError {
  return new PyramidionError('OUTPUT_NOT_WRITABLE', message, { cause });
}
