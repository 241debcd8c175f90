/** `pyramidion info`. */
import { PyramidionError } from '../errors.js';
import type { EngineOptions, ImageInfo } from '../ingest/types.js';
import { openPyramid } from '../pyramid/open.js';
import { type PyramidInfo, readPyramid } from '../pyramid/pyramid.js';
import type { TileIndex } from '../pyramid/tile-index.js';
import { openFile } from '../source/file.js';
import { type CliContext, formatBytes, printable, reportFailure, withEngine } from './context.js';

/** Flags of `info`. */
export interface InfoFlags {
  readonly json?: true;
  readonly page?: number;
  readonly tiles?: true;
}

/** What `--tiles` finds of one level. Lengths in bytes, of the tiles that are there; 0 when none is. */
export interface LevelTiles {
  readonly level: number;
  readonly count: number;
  readonly missing: number;
  readonly bytes: { readonly min: number; readonly mean: number; readonly max: number };
  /** Of each tile, row by row (and plane by plane); length 0 where the file has none. */
  readonly offsets: readonly number[];
  readonly lengths: readonly number[];
}

/** What `info` finds: the structure of a pyramid, or the header of any other image. */
export type FileInfo =
  | { readonly kind: 'pyramid'; readonly pyramid: PyramidInfo; readonly tiles?: readonly LevelTiles[] }
  | { readonly kind: 'image'; readonly image: ImageInfo };

/**
 * Shows the structure of a pyramid, or of any other image what a probe yields. Yields the exit code. A page other than
 * the first is always shown as an image.
 */
export async function runInfo(
  path: string,
  flags: InfoFlags,
  options: EngineOptions,
  context: CliContext,
): Promise<number> {
  let found: FileInfo;
  try {
    found = await describe(path, flags, options, context);
  } catch (thrown) {
    reportFailure(context.stderr, path, thrown);
    return 1;
  }
  context.stdout.write(flags.json ? `${JSON.stringify(jsonOf(path, found), null, 2)}\n` : textOf(path, found));
  return 0;
}

async function describe(
  path: string,
  { page = 0, tiles }: InfoFlags,
  options: EngineOptions,
  context: CliContext,
): Promise<FileInfo> {
  if (page === 0) {
    const pyramid = await readPyramid(path).catch((error: unknown) => {
      if (isOtherImage(error)) return null;
      throw error;
    });
    if (pyramid !== null) return { kind: 'pyramid', pyramid, ...(tiles && { tiles: await readTiles(path) }) };
  }
  const image = await withEngine(context, options, (engine) => engine.probe(path, { page, signal: context.signal }));
  return { kind: 'image', image };
}

async function readTiles(path: string): Promise<LevelTiles[]> {
  const source = await openFile(path);
  try {
    const pyramid = await openPyramid(source);
    const levels: LevelTiles[] = [];
    for (const { index } of pyramid.levels) levels.push(tilesOf(index, await pyramid.tileIndex(index)));
    return levels;
  } finally {
    await source.close();
  }
}

function tilesOf(level: number, { offsets, lengths, missing, bytes }: TileIndex): LevelTiles {
  const count = lengths.length;
  const present = lengths.filter((length) => length > 0);
  return {
    level,
    count,
    missing,
    bytes: {
      min: present.reduce((least, length) => Math.min(least, length), present[0] ?? 0),
      mean: present.length === 0 ? 0 : bytes / present.length,
      max: present.reduce((most, length) => Math.max(most, length), 0),
    },
    offsets: Array.from(offsets),
    lengths: Array.from(lengths),
  };
}

/** Whether an error of `readPyramid` says no more than that the file is an image of another kind. */
export function isOtherImage(error: unknown): boolean {
  return error instanceof PyramidionError && (error.code === 'NOT_A_PYRAMID' || error.code === 'UNSUPPORTED_FORMAT');
}

/**
 * The document `--json` prints: `kind`, then the fields of `PyramidInfo` or `ImageInfo`; a profile is its description and
 * length. With `--tiles`, a pyramid has `tiles`, one {@link LevelTiles} for each level.
 */
export function jsonOf(path: string, found: FileInfo): object {
  const { profile, ...rest } = found.kind === 'pyramid' ? found.pyramid : found.image;
  const shown = profile === null ? null : { description: profile.description, bytes: profile.bytes.length };
  const tiles = found.kind === 'pyramid' && found.tiles !== undefined ? { tiles: found.tiles } : {};
  return { path, kind: found.kind, ...rest, profile: shown, ...tiles };
}

/** The same for people. */
export function textOf(path: string, found: FileInfo): string {
  const lines =
    found.kind === 'pyramid'
      ? [...pyramidLines(found.pyramid), ...(found.tiles === undefined ? [] : tileLines(found.tiles))]
      : imageLines(found.image);
  return `${[printable(path), ...lines].join('\n')}\n`;
}

type Row = readonly [string, string | null];

function pyramidLines(info: PyramidInfo): string[] {
  const container = `${info.bigTiff ? 'BigTIFF' : 'TIFF'}, ${info.byteOrder}-endian, ${formatBytes(info.bytes)}`;
  const layout = { pages: 'levels as pages', subifds: 'levels as SubIFDs', single: 'one level' }[info.layout];
  const samples = `${info.samplesPerPixel} × ${info.bitsPerSample} bits ${info.sampleFormat}, ${info.photometric}`;
  return [
    ...rowLines([
      ['kind', `pyramid, ${layout}`],
      ['container', container],
      ['size', `${info.width} × ${info.height}`],
      ['pixels', info.planar === 'separate' ? `${samples}, in separate planes` : samples],
      ['alpha', info.alpha],
      [
        'compression',
        info.predictor === 'none' ? info.compression : `${info.compression}, ${info.predictor} predictor`,
      ],
      ['chroma', info.chromaSubsampling],
      ...sharedRows(info),
      ['date', info.dateTime],
      ['software', info.software],
      ['made from', madeFrom(info.record)],
    ]),
    ...levelLines(info),
  ];
}

/** The source in the record that our own pyramids carry. */
function madeFrom(record: unknown): string | null {
  if (typeof record !== 'object' || record === null || !('source' in record)) return null;
  const { format, bytes, sha256 } = Object(record.source) as { format?: unknown; bytes?: unknown; sha256?: unknown };
  if (typeof format !== 'string' || typeof bytes !== 'number' || typeof sha256 !== 'string') return null;
  return `${format}, ${formatBytes(bytes)}, sha256 ${sha256}`;
}

function imageLines(image: ImageInfo): string[] {
  return rowLines([
    ['kind', `${image.format} image, no pyramid`],
    ['file', formatBytes(image.bytes)],
    ['size', `${image.width} × ${image.height}`],
    [
      'pixels',
      `${image.bands} × ${image.bitDepth} bits ${image.sampleFormat}, ${image.colourSpace}${image.palette ? ' (palette)' : ''}`,
    ],
    ['alpha', image.alpha],
    ['chroma', image.chromaSubsampling],
    ['coding', image.interlaced ? 'progressive or interlaced' : 'sequential'],
    ['pages', image.pages > 1 ? String(image.pages) : null],
    ...sharedRows(image),
    ['need', `${formatBytes(image.need)} of memory to build`],
  ]);
}

function sharedRows(info: PyramidInfo | ImageInfo): Row[] {
  const kept = Object.entries(info.metadata).filter(([, length]) => length > 0);
  return [
    ['orientation', info.orientation === 1 ? null : String(info.orientation)],
    [
      'profile',
      info.profile && `${printable(info.profile.description) || 'unnamed'} (${formatBytes(info.profile.bytes.length)})`,
    ],
    ['metadata', kept.map(([kind, length]) => `${kind} ${formatBytes(length)}`).join(', ') || null],
    ['resolution', info.dpi && (info.dpi.x === info.dpi.y ? `${info.dpi.x} dpi` : `${info.dpi.x} × ${info.dpi.y} dpi`)],
  ];
}

/** Rows without a value are left out. */
function rowLines(rows: readonly Row[]): string[] {
  return rows.flatMap(([name, value]) => (value === null ? [] : [`  ${name.padEnd(12)}${printable(value)}`]));
}

function levelLines({ levels }: PyramidInfo): string[] {
  const head = ['level', 'size', 'scale', 'tile', 'tiles', 'bytes', 'coding'];
  const rows = levels.map((level) => [
    String(level.index),
    `${level.width} × ${level.height}`,
    `1:${Number(level.downsample.toFixed(3))}`,
    level.tiled ? `${level.tileWidth} × ${level.tileHeight}` : `strips of ${level.tileHeight}`,
    `${level.columns} × ${level.rows}${level.missing > 0 ? ` (${level.missing} missing)` : ''}`,
    String(level.bytes),
    level.compression,
  ]);
  return tableLines(head, rows, new Set([0, 5]));
}

function tileLines(levels: readonly LevelTiles[]): string[] {
  const head = ['level', 'tiles', 'missing', 'smallest', 'mean', 'largest'];
  const rows = levels.map(({ level, count, missing, bytes: { min, mean, max } }) =>
    [level, count, missing, min, Math.round(mean), max].map(String),
  );
  return tableLines(head, rows, new Set(head.keys()));
}

/** An empty line, then columns; those in `right` end, the others begin, at one place. */
function tableLines(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  right: ReadonlySet<number>,
): string[] {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    `  ${cells.map((cell, i) => (right.has(i) ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0))).join('  ')}`.trimEnd();
  return ['', line(head), ...rows.map(line)];
}
