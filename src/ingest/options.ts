/**
 * The options of a build and of an engine: one table that says what each may be, what it is when it is not given and
 * what it does. `docs/options.md` shows the same table, and a test holds the two together.
 */
import { invalidOption, PyramidionError } from '../errors.js';
import type { ReductionFilter, UnsharpMask } from '../native/contract.js';
import { type ColourSettings, DEFAULT_COLOUR, resolveColour } from '../picture/colour.js';
import { DEFAULT_RENDER_LIMITS, type RenderLimits, resolveLimits } from '../picture/limits.js';
import { parseBytes } from '../pool/budget.js';
import { availableProcessors } from '../pool/machine.js';
import type { BuildOptions, BuildProgress, EngineOptions, EstimateRule } from './types.js';

/** One option: how it is read, and how it is told. */
export interface OptionRow<Value> {
  /** Yields the value, or undefined when it is not allowed. */
  readonly read: (value: unknown) => Value | undefined;
  /** What is taken when the option is not given. */
  readonly fallback: Value;
  /** The values allowed, as messages and the documentation say it. */
  readonly allowed: string;
  /** The default, as the documentation says it. */
  readonly shown: string;
  readonly effect: string;
}

type Table = Readonly<Record<string, OptionRow<unknown>>>;

/** The values of a table's options. */
export type ValuesOf<Rows extends Table> = { readonly [Name in keyof Rows]: Rows[Name]['fallback'] };

const UNSHARP = {
  amount: row<number>(number(0, 5), 1, '0…5', '1', 'strength'),
  radius: row<number>(number(0, 250), 1, '0…250', '1', 'σ of the Gaussian, in pixels of the level'),
  threshold: row<number>(number(0, 255), 0, '0…255', '0', 'least difference that is sharpened'),
  monochrome: row<boolean>(boolean, false, 'true or false', 'false', 'sharpen luma only (RGB)'),
} satisfies Table;

const AUTOCROP = {
  corner: row<'ul' | 'ur' | 'll' | 'lr'>(
    choice('ul', 'ur', 'll', 'lr'),
    'ul',
    'ul, ur, ll or lr',
    'ul',
    'corner whose pixel is the border (mode colour)',
  ),
  mode: row<'colour' | 'alpha'>(
    choice('colour', 'alpha'),
    'colour',
    'colour or alpha',
    'colour',
    'what the border is told by',
  ),
  tolerance: row<number>(number(0, 1), 0, '0…1', '0', 'difference per component that still matches, of full scale'),
} satisfies Table;

const KEEP = {
  profile: row<boolean>(boolean, true, 'true or false', 'true', 'ICC profile of the result'),
  xmp: row<boolean>(boolean, true, 'true or false', 'true', 'XMP'),
  exif: row<boolean>(boolean, true, 'true or false', 'true', 'EXIF and GPS'),
  iptc: row<boolean>(boolean, true, 'true or false', 'true', 'IPTC and Photoshop resources'),
} satisfies Table;

/** The options inside `unsharp`, `autocrop` and `keep`. */
export const NESTED_OPTIONS = { unsharp: UNSHARP, autocrop: AUTOCROP, keep: KEEP } as const;

/** Every option of `Engine.build`. */
export const BUILD_OPTIONS = {
  page: row<number>(whole(0, 100_000), 0, 'a whole number 0…100000', '0', 'page, frame or item of the source'),
  compression: row<'auto' | 'none' | 'deflate' | 'lzw' | 'jpeg' | 'webp'>(
    choice('auto', 'none', 'deflate', 'lzw', 'jpeg', 'webp'),
    'auto',
    'auto, none, deflate, lzw, jpeg or webp',
    'auto',
    'coding of the tiles; auto is JPEG for opaque 8-bit photographs, else deflate',
  ),
  quality: row<number | null>(
    whole(0, 100),
    null,
    'a whole number: 1…100 (JPEG), 0…100 (WebP)',
    '95 (JPEG), 90 (WebP)',
    'quality of lossy tiles; compression auto, jpeg or webp',
  ),
  lossless: row<boolean>(boolean, false, 'true or false', 'false', 'lossless WebP; compression webp'),
  effort: row<number | null>(
    whole(0, 9),
    null,
    'a whole number: 1…9 (deflate), 0…6 (WebP)',
    '4',
    'work put into compression; compression auto, deflate or webp',
  ),
  predictor: row<boolean | null>(
    boolean,
    null,
    'true or false',
    'true',
    'horizontal differencing; compression auto, deflate or lzw',
  ),
  chroma: row<'4:2:0' | '4:4:4' | null>(
    choice('4:2:0', '4:4:4'),
    null,
    '4:2:0 or 4:4:4',
    '4:2:0',
    'chroma sampling of JPEG tiles; RGB only; compression auto or jpeg',
  ),
  tileSize: row<number>(multiple(16, 64, 4096), 256, 'a multiple of 16, 64…4096', '256', 'edge of a tile, in pixels'),
  layout: row<'pages' | 'subifds'>(
    choice('pages', 'subifds'),
    'pages',
    'pages or subifds',
    'pages',
    'levels as pages of the file, or as SubIFDs of the first',
  ),
  depth: row<'onetile' | 'onepixel' | 'one'>(
    choice('onetile', 'onepixel', 'one'),
    'onetile',
    'onetile, onepixel or one',
    'onetile',
    'size of the smallest level; one: the full level only',
  ),
  bigTiff: row<'auto' | boolean>(
    (value) => (value === 'auto' ? value : boolean(value)),
    'auto',
    'auto, true or false',
    'auto',
    'BigTIFF container; auto: when the output could pass 4 GiB',
  ),
  bits: row<8 | 16 | 'source'>(
    (value) => (value === 8 || value === 16 || value === 'source' ? value : undefined),
    8,
    '8, 16 or source',
    '8',
    'bits per sample; source: 16 where the source has more than 8',
  ),
  pixelType: row<'source' | 'gray' | 'rgb' | 'cmyk'>(
    choice('source', 'gray', 'rgb', 'cmyk'),
    'source',
    'source, gray, rgb or cmyk',
    'source',
    'pixel type; source keeps gray, RGB and CMYK, all else becomes RGB',
  ),
  alpha: row<'straight' | 'associated' | 'source' | 'remove'>(
    choice('straight', 'associated', 'source', 'remove'),
    'straight',
    'straight, associated, source or remove',
    'straight',
    'how alpha is stored',
  ),
  reduction: row<ReductionFilter>(
    choice('mean', 'lanczos', 'flashpix', 'bicubic-sharp'),
    'lanczos',
    'mean, lanczos, flashpix or bicubic-sharp',
    'lanczos',
    '2:1 filter of the reduced levels',
  ),
  linearLight: row<boolean>(boolean, false, 'true or false', 'false', 'reduce in linear light (gray and RGB)'),
  unsharp: row<UnsharpMask | null>(
    nested('unsharp', UNSHARP),
    null,
    'null or an object of amount, radius, threshold, monochrome',
    'null',
    'unsharp mask on the reduced levels',
  ),
  autocrop: row<ValuesOf<typeof AUTOCROP> | null>(
    nested('autocrop', AUTOCROP),
    null,
    'null or an object of corner, mode, tolerance',
    'null',
    'report the rectangle inside the border; nothing is cropped',
  ),
  normaliseOrientation: row<boolean>(
    boolean,
    true,
    'true or false',
    'true',
    "apply the source's orientation; else it is kept as a field",
  ),
  imageProfile: row<Uint8Array | string | null>(
    bytesOrPath,
    null,
    'null, a path or a Uint8Array',
    'null',
    'ICC profile of the source, instead of the embedded one',
  ),
  viewProfile: row<Uint8Array | string | null>(
    bytesOrPath,
    null,
    'null, a path or a Uint8Array',
    'null',
    'ICC profile to convert into; it decides the pixel type',
  ),
  intent: row<'perceptual' | 'relative' | 'saturation' | 'absolute'>(
    choice('perceptual', 'relative', 'saturation', 'absolute'),
    'relative',
    'perceptual, relative, saturation or absolute',
    'relative',
    'rendering intent of a conversion',
  ),
  blackPointCompensation: row<boolean>(
    boolean,
    true,
    'true or false',
    'true',
    'black-point compensation of a conversion; no effect with absolute',
  ),
  keep: row<ValuesOf<typeof KEEP>>(
    (value) => nested('keep', KEEP)(value) ?? undefined,
    defaultsOf(KEEP),
    'an object of profile, xmp, exif, iptc',
    'all true',
    'metadata to keep',
  ),
  dpi: row<number | null>(
    (value) => (value === null ? null : number(1, 100_000)(value)),
    null,
    'null or a number 1…100000',
    "null: the source's",
    'print resolution to write, in pixels per inch',
  ),
  ifExists: row<'suffix' | 'replace' | 'fail'>(
    choice('suffix', 'replace', 'fail'),
    'suffix',
    'suffix, replace or fail',
    'suffix',
    'when the target exists: write name-1.tif …, replace it, or fail',
  ),
  signal: row<AbortSignal | null>(
    (value) => (value instanceof AbortSignal ? value : undefined),
    null,
    'an AbortSignal',
    'none',
    'stops the build',
  ),
  onProgress: row<((progress: BuildProgress) => void) | null>(
    (value) => (typeof value === 'function' ? (progress) => void value(progress) : undefined),
    null,
    'a function',
    'none',
    'is told how far the build is',
  ),
} satisfies Table & Record<keyof BuildOptions, OptionRow<unknown>>;

/** Every option of `Engine.start`. */
export const ENGINE_OPTIONS = {
  maxMemory: row<number>(
    (value) => parseBytes(value),
    3 * 1024 ** 3,
    'bytes, or a number with K, M, G or T; at least 10M',
    '3G',
    'memory budget of all builds of the process',
  ),
  estimate: row<EstimateRule>(
    (value) =>
      value === 'peak' || value === 'decoded' || typeof value === 'function' ? (value as EstimateRule) : undefined,
    'peak',
    'peak, decoded or a function',
    'peak',
    "how a build's need is told: the engine's true peak, width × height × channels × 3 (× 2 above 8 bits), or your own figure",
  ),
  workers: row<number | null>(
    whole(1, 64),
    null,
    'a whole number 1…64',
    'the processors',
    'builds that may run at once',
  ),
  threads: row<number | null>(
    whole(1, 1024),
    null,
    'a whole number 1…1024',
    'the processors',
    'processors to share among the builds',
  ),
  renders: row<number | null>(
    whole(1, 64),
    null,
    'a whole number 1…64',
    'the processors',
    'views that may be made at once, beside the builds',
  ),
  niceness: row<number>(
    whole(0, 19),
    0,
    'a whole number 0…19',
    '0',
    'nice value of the threads that make views; Linux only',
  ),
  maxQueue: row<number | null>(
    (value) => (value === null ? null : whole(0, 1_000_000)(value)),
    null,
    'null or a whole number from 0',
    'null: any number',
    'views that may wait to be made; one more is refused with BUSY',
  ),
  limits: row<RenderLimits>(
    (value) => (isObject(value) ? resolveLimits(value) : undefined),
    DEFAULT_RENDER_LIMITS,
    'an object of limits',
    'see docs/serving.md',
    'how much one view may take',
  ),
  colour: row<ColourSettings>(
    (value) => (isObject(value) ? resolveColour(value) : undefined),
    DEFAULT_COLOUR,
    'an object of colour settings',
    'see docs/colour.md',
    'profiles of views, and where they are found',
  ),
  maxPixels: row<number>(
    whole(1, Number.MAX_SAFE_INTEGER),
    4_000_000_000,
    'a whole number from 1',
    '4 000 000 000',
    'largest image that is opened, in pixels',
  ),
  readTimeoutMs: row<number>(
    whole(1, 3_600_000),
    20_000,
    'a whole number 1…3600000',
    '20 000',
    'milliseconds that one read of an `http:` or `https:` URL may take',
  ),
  recheckMs: row<number>(
    whole(0, 86_400_000),
    0,
    'a whole number 0…86400000',
    '0',
    'milliseconds for which `use` does not look again whether a file or URL was replaced',
  ),
} satisfies Table & Record<keyof EngineOptions, OptionRow<unknown>>;

/** Build options after checking, with every default in place; null where the default depends on the coding. */
export type ResolvedOptions = ValuesOf<typeof BUILD_OPTIONS>;

/** Engine options after checking, with every default in place. */
export type ResolvedEngineOptions = ValuesOf<typeof ENGINE_OPTIONS> & {
  readonly workers: number;
  readonly threads: number;
  readonly renders: number;
};

/** Checks the options of a build, alone and together. Throws `INVALID_OPTION`. */
export function resolveBuildOptions(options: BuildOptions = {}): ResolvedOptions {
  const resolved = readTable(BUILD_OPTIONS, options, '');
  checkTogether(resolved);
  return resolved;
}

/** Checks the options of an engine. Throws `INVALID_OPTION`. */
export function resolveEngineOptions(options: EngineOptions = {}): ResolvedEngineOptions {
  const resolved = readTable(ENGINE_OPTIONS, options, '');
  const processors = availableProcessors();
  const threads = resolved.threads ?? processors;
  const slots = Math.min(64, processors);
  return { ...resolved, threads, workers: resolved.workers ?? slots, renders: resolved.renders ?? slots };
}

/** What one option rules out in another. */
function checkTogether(options: ResolvedOptions): void {
  const { compression, quality, effort, lossless, predictor, chroma, bits, pixelType, viewProfile } = options;
  const only = (option: string, value: unknown, ...codings: string[]): void => {
    if (value === null || value === false || codings.includes(compression)) return;
    throw invalidOption(option, value, `left out with compression ${compression}: it applies to ${codings.join(', ')}`);
  };
  only('quality', quality, 'auto', 'jpeg', 'webp');
  only('lossless', lossless, 'webp');
  only('effort', effort, 'auto', 'deflate', 'webp');
  if (predictor !== null && !['auto', 'deflate', 'lzw'].includes(compression)) {
    throw invalidOption(
      'predictor',
      predictor,
      `left out with compression ${compression}: it applies to auto, deflate, lzw`,
    );
  }
  only('chroma', chroma, 'auto', 'jpeg');
  if (quality !== null && lossless) throw invalidOption('quality', quality, 'left out when lossless is true');
  if (quality === 0 && compression !== 'webp') throw invalidOption('quality', quality, '1…100 for JPEG');
  if (effort !== null && compression === 'webp' && effort > 6) throw invalidOption('effort', effort, '0…6 for WebP');
  if (effort === 0 && compression !== 'webp') throw invalidOption('effort', effort, '1…9 for deflate');
  const isLossy = compression === 'jpeg' || compression === 'webp';
  if (bits === 16 && isLossy) throw invalidOption('bits', bits, `8 or source with compression ${compression}`);
  if (compression === 'webp' && (pixelType === 'gray' || pixelType === 'cmyk')) {
    throw invalidOption('pixelType', pixelType, 'source or rgb with compression webp');
  }
  if (viewProfile !== null && pixelType !== 'source') {
    throw invalidOption('pixelType', pixelType, 'left out when there is a viewProfile, which decides it');
  }
}

function readTable<Rows extends Table>(rows: Rows, given: unknown, prefix: string): ValuesOf<Rows> {
  if (!isObject(given)) throw invalidOption('options', given, 'an object');
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(rows, name)) {
      throw new PyramidionError(
        'INVALID_OPTION',
        `${prefix}${name} is no option: allowed are ${Object.keys(rows).join(', ')}`,
        {
          option: prefix + name,
          value: (given as Record<string, unknown>)[name],
          limit: Object.keys(rows),
        },
      );
    }
  }
  const values = Object.entries(rows).map(([name, { read, fallback, allowed }]) => {
    const value = (given as Record<string, unknown>)[name];
    if (value === undefined) return [name, fallback];
    const known = read(value);
    if (known === undefined) throw invalidOption(prefix + name, value, allowed);
    return [name, known];
  });
  return Object.fromEntries(values) as ValuesOf<Rows>;
}

function row<Value>(
  read: (value: unknown) => Value | undefined,
  fallback: Value,
  allowed: string,
  shownDefault: string,
  effect: string,
): OptionRow<Value> {
  return { read, fallback, allowed, shown: shownDefault, effect };
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function defaultsOf<Rows extends Table>(rows: Rows): ValuesOf<Rows> {
  return readTable(rows, {}, '');
}

function nested<Rows extends Table>(name: string, rows: Rows): (value: unknown) => ValuesOf<Rows> | null | undefined {
  return (value) => {
    if (value === null) return null;
    return isObject(value) ? readTable(rows, value, `${name}.`) : undefined;
  };
}

function number(low: number, high: number): (value: unknown) => number | undefined {
  return (value) => (typeof value === 'number' && value >= low && value <= high ? value : undefined);
}

function whole(low: number, high: number): (value: unknown) => number | undefined {
  return (value) => (Number.isInteger(value) ? number(low, high)(value) : undefined);
}

function multiple(of: number, low: number, high: number): (value: unknown) => number | undefined {
  return (value) => {
    const known = whole(low, high)(value);
    return known !== undefined && known % of === 0 ? known : undefined;
  };
}

function boolean(value: unknown): boolean | undefined {
  return typeof value === 'boolean' ? value : undefined;
}

function choice<Name extends string>(...names: readonly Name[]): (value: unknown) => Name | undefined {
  return (value) => names.find((name) => name === value);
}

function bytesOrPath(value: unknown): Uint8Array | string | null | undefined {
  return value === null || value instanceof Uint8Array || (typeof value === 'string' && value !== '')
    ? value
    : undefined;
}
