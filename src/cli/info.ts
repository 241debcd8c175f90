/** `pyramidion info`. */
import { PyramidionError } from '../errors.js';
import type { EngineOptions, ImageInfo } from '../ingest/types.js';
import { type PyramidInfo, readPyramid } from '../pyramid/pyramid.js';
import { type CliContext, formatBytes, printable, reportFailure, withEngine } from './context.js';

/** Flags of `info`. */
export interface InfoFlags {
  readonly json?: true;
  readonly page?: number;
}

/** What `info` finds: the structure of a pyramid, or the header of any other image. */
export type FileInfo =
  | { readonly kind: 'pyramid'; readonly pyramid: PyramidInfo }
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
    found = await describe(path, flags.page ?? 0, options, context);
  } catch (thrown) {
    reportFailure(context.stderr, path, thrown);
    return 1;
  }
  context.stdout.write(flags.json ? `${JSON.stringify(jsonOf(path, found), null, 2)}\n` : textOf(path, found));
  return 0;
}

async function describe(path: string, page: number, options: EngineOptions, context: CliContext): Promise<FileInfo> {
  if (page === 0) {
    const pyramid = await readPyramid(path).catch((error: unknown) => {
      if (isOtherImage(error)) return null;
      throw error;
    });
    if (pyramid !== null) return { kind: 'pyramid', pyramid };
  }
  const image = await withEngine(context, options, (engine) => engine.probe(path, { page, signal: context.signal }));
  return { kind: 'image', image };
}

/** Whether an error of `readPyramid` says no more than that the file is an image of another kind. */
export function isOtherImage(error: unknown): boolean {
  return error instanceof PyramidionError && (error.code === 'NOT_A_PYRAMID' || error.code === 'UNSUPPORTED_FORMAT');
}

/** The document `--json` prints: `kind`, then the fields of `PyramidInfo` or `ImageInfo`; a profile is its description and length. */
export function jsonOf(path: string, found: FileInfo): object {
  const { profile, ...rest } = found.kind === 'pyramid' ? found.pyramid : found.image;
  const shown = profile === null ? null : { description: profile.description, bytes: profile.bytes.length };
  return { path, kind: found.kind, ...rest, profile: shown };
}

/** The same for people. */
export function textOf(path: string, found: FileInfo): string {
  const lines = found.kind === 'pyramid' ? pyramidLines(found.pyramid) : imageLines(found.image);
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
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const right = new Set([0, 5]);
  const line = (cells: readonly string[]) =>
    `  ${cells.map((cell, i) => (right.has(i) ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0))).join('  ')}`.trimEnd();
  return ['', line(head), ...rows.map(line)];
}
