/**
 * Attributes of catalogs and properties of the default manifest: one table that says how each is written, and what it
 * is where nothing says it.
 */
import { INTENTS } from '../colour/parse.js';
import { shown } from '../errors.js';
import { WHITE } from '../region/request.js';
import type { Warn } from './ini.js';
import type { AccessType, Attributes } from './types.js';
import {
  colour,
  flag,
  hours,
  kind,
  milliseconds,
  networks,
  oneOf,
  pair,
  path,
  real,
  relativePath,
  text,
  timeStamp,
  type ValueKind,
  whole,
} from './values.js';

/** One attribute. */
export interface AttributeRow<Value> {
  /** As attribute files write it, in any case; manifests write it in lower case. */
  readonly name: string;
  readonly aliases: readonly string[];
  readonly kind: ValueKind<Value>;
  /** How manifests write it, where that differs. */
  readonly manifestKind: ValueKind<Value>;
  /** What it is where nothing says it. */
  readonly fallback: Value;
  /** The value of one that is written, but empty. undefined: it is as if it were not written. */
  readonly whenEmpty: Value | undefined;
  /** Whether a catalog that does not say it has the default catalog's. */
  readonly isInherited: boolean;
}

/** Attributes that name files of a catalog, each a list: see {@link CatalogFiles}. */
const FILE_ATTRIBUTES = {
  catalogfile: 'records',
  macrofile: 'macros',
  iccprofilemapfile: 'profiles',
  rulesetfile: 'rules',
} as const;

/** Files that an attribute file names, as they are written there. */
export type CatalogFiles = Readonly<Record<(typeof FILE_ATTRIBUTES)[keyof typeof FILE_ATTRIBUTES], readonly string[]>>;

/** Attributes of the format for which there is nothing here that they could change. */
const WITHOUT_EFFECT = new Set(
  [
    ...['SvgCatalogFile', 'StaticContentCatalogFile', 'FontMapFile', 'LocaleMap', 'LocaleStrMap', 'DefaultLocale'],
    ...['DefaultFont', 'SynthesizeFontStyles', 'ApplyEffectMask', 'DigimarcId', 'DigimarcInfo', 'TrustedDomains'],
    ...['HttpAppleStreamingContext', 'HttpFlashStreamingContext', 'AudioBitRate', 'VideoBitRate', 'TotalStreamBitRate'],
    'VideoSize',
  ].map((name) => name.toLowerCase()),
);

const ACCESS_TYPES: readonly AccessType[] = ['IS', 'STATIC', 'SVG', 'FXG', 'FLA', 'IR_VNT', 'IR_MAT'];
/** A catalog's id is looked for in the first elements of a path, so many of them. */
export const MAX_ROOT_ID_ELEMENTS = 8;

/** Types of thumbnails, by name or number; records have them too. */
export const thumbType = oneOf<Attributes['thumbType']>('crop, fit, texture or 1 to 3', {
  ...{ 1: 'crop', 2: 'fit', 3: 'texture' },
  ...{ crop: 'crop', fit: 'fit', texture: 'texture' },
});

const bounds = pair('two whole numbers of pixels from 0', whole(0));
const resolution = real(0, 100_000, true);
const expiration = (name: string, ms: number) => row(name, hours, ms, { manifestKind: milliseconds });
/** Text that a catalog can have none of, whatever the default catalog has. */
const clearable = (name: string, of: ValueKind<string> = text) => row(name, of, '', { whenEmpty: '' });
const percentages = Array.from({ length: 10 }, (_, index) => `${1 + 10 * index}%`).join();

/** Every attribute. */
export const ATTRIBUTES: { readonly [Key in keyof Attributes]: AttributeRow<Attributes[Key]> } = {
  rootId: row(
    'RootId',
    kind(`up to ${MAX_ROOT_ID_ELEMENTS} path elements without commas, none of which begins with a dot`, (given) => {
      const elements = given.split('/');
      const isGood = elements.every((element) => /^[^.,?\p{Cc}\\][^,?\p{Cc}\\]*$/u.test(element));
      return isGood && elements.length <= MAX_ROOT_ID_ELEMENTS ? given : undefined;
    }),
    '',
    { isInherited: false },
  ),
  rootPath: clearable('RootPath', path),
  rootUrl: clearable(
    'RootUrl',
    kind('an http or https URL', (given) => (isHttpUrl(given) ? given : undefined)),
  ),
  staticContentRootPath: row('StaticContentRootPath', path, ''),
  fullMatch: row('FullMatch', flag, false),
  allowDirectUrls: row('AllowDirectUrls', flag, false),
  allowDirectAccess: row(
    'AllowDirectAccess',
    kind(`include: or exclude: and a list of ${ACCESS_TYPES.join(', ')}`, readAccess),
    new Set(ACCESS_TYPES),
  ),
  defaultExt: clearable(
    'DefaultExt',
    kind('a dot and up to 16 letters or digits', (given) => (/^\.[a-z0-9]{1,16}$/i.test(given) ? given : undefined)),
  ),
  defaultPix: row('DefaultPix', bounds, [300, 300]),
  defaultThumbPix: row('DefaultThumbPix', bounds, [100, 100]),
  maxPix: row('MaxPix', bounds, [2000, 2000]),
  bkgColor: row('BkgColor', colour, WHITE),
  thumbBkgColor: row('ThumbBkgColor', colour, WHITE),
  jpegQuality: row('JpegQuality', kind('quality from 1 to 100, then a comma and 0 or 1, or not', readJpegQuality), {
    quality: 80,
    fullChroma: false,
  }),
  resMode: row(
    'ResMode',
    oneOf('BILIN, BICUB, SHARP2, BISHARP or their numbers 2 to 5', {
      ...{ 1: 'sharp2', 2: 'bilin', 3: 'bicub', 4: 'sharp2', 5: 'bisharp' },
      ...{ sharp: 'sharp2', bilin: 'bilin', bicub: 'bicub', sharp2: 'sharp2', bisharp: 'bisharp' },
    }),
    'sharp2',
  ),
  resolution: row('Resolution', resolution, 72),
  thumbRes: row('ThumbRes', resolution, 72),
  printResolution: row('PrintResolution', whole(1, 100_000), 72),
  thumbType: row('ThumbType', thumbType, 'fit'),
  thumbHorizAlign: row(
    'ThumbHorizAlign',
    oneOf('left, centre, right or 1 to 3', {
      ...{ 1: 'left', 2: 'centre', 3: 'right' },
      ...{ left: 'left', centre: 'centre', center: 'centre', right: 'right' },
    }),
    'centre',
  ),
  thumbVertAlign: row(
    'ThumbVertAlign',
    oneOf('top, centre, bottom or 1 to 3', {
      ...{ 1: 'top', 2: 'centre', 3: 'bottom' },
      ...{ top: 'top', centre: 'centre', center: 'centre', bottom: 'bottom' },
    }),
    'centre',
  ),
  expirationMs: expiration('Expiration', 36_000_000),
  defaultExpirationMs: expiration('DefaultExpiration', 3_600_000),
  nonImgExpirationMs: expiration('NonImgExpiration', 360_000),
  cacheValidationPolicy: row('CacheValidationPolicy', oneOf('0 or 1', { 0: 0, 1: 1 }), 0),
  useLastModified: row('UseLastModified', flag, false),
  timeStamp: row('TimeStamp', timeStamp, 0, { aliases: ['LastModified'], isInherited: false }),
  defaultImage: clearable('DefaultImage'),
  defaultImageMode: row('DefaultImageMode', oneOf('0 or 1', { 0: 0, 1: 1 }), 0),
  errorImage: clearable('ErrorImage'),
  errorDetail: row('ErrorDetail', oneOf('0, 1, 2 or 3', { 0: 0, 1: 1, 2: 2, 3: 3 }), 0),
  watermark: clearable('Watermark'),
  iccProfileRgb: row('IccProfileRgb', text, ''),
  iccProfileCmyk: row('IccProfileCmyk', text, ''),
  iccProfileGray: row('IccProfileGray', text, ''),
  iccProfileSrcRgb: row('IccProfileSrcRgb', text, ''),
  iccProfileSrcCmyk: row('IccProfileSrcCmyk', text, ''),
  iccProfileSrcGray: row('IccProfileSrcGray', text, ''),
  iccRenderIntent: row(
    'IccRenderIntent',
    oneOf(`${INTENTS.join(', ')} or 0 to 3`, {
      ...Object.fromEntries(INTENTS.map((intent) => [intent, intent])),
      ...Object.fromEntries(INTENTS.entries()),
    }),
    'relative',
  ),
  iccBlackPointCompensation: row('IccBlackPointCompensation', flag, true),
  iccDither: row('IccDither', flag, false),
  requestLock: row('RequestLock', flag, false),
  requestObfuscation: row('RequestObfuscation', flag, false),
  clientAddressFilter: row('ClientAddressFilter', networks, []),
  bfc: row('Bfc', flag, false),
  savePath: clearable('SavePath', relativePath),
  publishInfo: row('PublishInfo', text, ''),
  thumbnailTime: row(
    'ThumbnailTime',
    kind('up to 100 percentages from 0% to 100%, with commas between', (given) => {
      const items = given.split(',').map((item) => item.trim());
      const isGood = items.every((item) => /^\d{1,3}(?:\.\d{1,6})?%$/.test(item) && Number.parseFloat(item) <= 100);
      return isGood && items.length <= 100 ? items.join() : undefined;
    }),
    percentages,
  ),
};

/** What every attribute is where nothing says it. */
// Every key of the table, with a value of its type.
export const DEFAULT_ATTRIBUTES = fallbacks(() => true) as Attributes;

const NOT_INHERITED = fallbacks(({ isInherited }) => !isInherited);

/** What one file says of attributes. */
export interface OwnAttributes {
  readonly values: Partial<Attributes>;
  readonly files: CatalogFiles;
}

/** An attribute's name and text, as a file has them. */
type NamedText = { readonly name: string; readonly value: string };

/**
 * Reads what an attribute file says. Names without meaning, and values that are not allowed, are told to `warn` with
 * what is allowed, and left aside.
 */
export function readAttributes(entries: Iterable<NamedText>, warn: Warn): OwnAttributes {
  const files: Record<keyof CatalogFiles, readonly string[]> = { records: [], macros: [], profiles: [], rules: [] };
  const values: Partial<Attributes> = {};
  for (const { name, value } of entries) {
    const lower = name.toLowerCase();
    const key = KEYS.get(lower);
    if (key !== undefined) read(values, key, 'kind', { name, value }, warn);
    else if (Object.hasOwn(FILE_ATTRIBUTES, lower)) {
      const list = value.split(',').map((file) => file.trim());
      files[FILE_ATTRIBUTES[lower as keyof typeof FILE_ATTRIBUTES]] = list.filter((file) => file !== '');
    } else warn(WITHOUT_EFFECT.has(lower) ? `${name} has no effect here` : `there is no attribute ${name}`);
  }
  return { values, files };
}

/**
 * Reads the properties of a default manifest: the attributes' names in lower case, with text, numbers, true and false,
 * or lists of them as values; null stands for what is not said. Times are in milliseconds. What is not allowed is told
 * to `warn`, and left aside.
 */
export function readManifest(properties: Readonly<Record<string, unknown>>, warn: Warn): Partial<Attributes> {
  const values: Partial<Attributes> = {};
  for (const [name, value] of Object.entries(properties)) {
    const key = name === name.toLowerCase() ? KEYS.get(name) : undefined;
    if (key === undefined || key === 'rootId') {
      warn(`there is no property ${shown(name)}`);
      continue;
    }
    const given = value === null ? '' : textOf(value);
    if (given === undefined) warn(`${name} must be ${ATTRIBUTES[key].manifestKind.allowed}; got ${shown(value)}`);
    else read(values, key, 'manifestKind', { name, value: given }, warn);
  }
  return values;
}

/**
 * The attributes of a catalog: its own, those it inherits (of the default catalog: what there is without), and
 * `fileTime` for a time stamp it does not have. {@link withProfiles} comes after, as what it adds is not inherited.
 */
export function inherit(own: Partial<Attributes>, inherited: Attributes, fileTime: number): Attributes {
  return { ...inherited, ...NOT_INHERITED, timeStamp: fileTime, ...own };
}

/** With the output profiles in place of source profiles that are not set. */
export function withProfiles(attributes: Attributes): Attributes {
  return {
    ...attributes,
    iccProfileSrcRgb: attributes.iccProfileSrcRgb || attributes.iccProfileRgb,
    iccProfileSrcCmyk: attributes.iccProfileSrcCmyk || attributes.iccProfileCmyk,
    iccProfileSrcGray: attributes.iccProfileSrcGray || attributes.iccProfileGray,
  };
}

/** Text of a value in JSON, as attribute files have it; undefined for what has none. */
export function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (!Array.isArray(value)) return undefined;
  const items = value.map((item: unknown) => (Array.isArray(item) ? undefined : textOf(item)));
  return items.includes(undefined) ? undefined : items.join();
}

function row<Value>(
  name: string,
  of: ValueKind<Value>,
  fallback: Value,
  rest: Partial<Pick<AttributeRow<Value>, 'aliases' | 'manifestKind' | 'whenEmpty' | 'isInherited'>> = {},
): AttributeRow<Value> {
  return { name, aliases: [], kind: of, manifestKind: of, fallback, whenEmpty: undefined, isInherited: true, ...rest };
}

/** Keys by names in lower case. */
const KEYS: ReadonlyMap<string, keyof Attributes> = new Map(
  Object.entries(ATTRIBUTES).flatMap(([key, { name, aliases }]) =>
    // The keys of the table are those of the attributes.
    [name, ...aliases].map((spelling) => [spelling.toLowerCase(), key as keyof Attributes] as const),
  ),
);

function read<Key extends keyof Attributes>(
  into: { -readonly [Name in keyof Attributes]?: Attributes[Name] },
  key: Key,
  form: 'kind' | 'manifestKind',
  { name, value }: NamedText,
  warn: Warn,
): void {
  const of: AttributeRow<Attributes[Key]> = ATTRIBUTES[key];
  // What was said before under another name no longer counts.
  delete into[key];
  const found = value.trim() === '' ? of.whenEmpty : of[form].read(value);
  if (found !== undefined) into[key] = found;
  else if (value.trim() !== '') warn(`${name} must be ${of[form].allowed}; got ${shown(value)}`);
}

function fallbacks(isWanted: (row: { readonly isInherited: boolean }) => boolean): Partial<Attributes> {
  const rows = Object.entries(ATTRIBUTES).filter(([, row]) => isWanted(row));
  return Object.fromEntries(rows.map(([key, { fallback }]) => [key, fallback]));
}

function readAccess(given: string): ReadonlySet<AccessType> | undefined {
  const [, word = 'include', list = ''] = /^(?:(include|exclude):?)?\s*(.*)$/i.exec(given) ?? [];
  const names = list.split(/[\s,]+/).filter((name) => name !== '');
  const types = ACCESS_TYPES.filter((type) => names.some((name) => name.toUpperCase() === type));
  if (types.length !== new Set(names.map((name) => name.toUpperCase())).size) return undefined;
  return word.toLowerCase() === 'include' ? new Set(types) : new Set(ACCESS_TYPES.filter((t) => !types.includes(t)));
}

function readJpegQuality(given: string): Attributes['jpegQuality'] | undefined {
  const [, digits, chroma = '0'] = /^(\d{1,3})\s*(?:,\s*([01]))?$/.exec(given) ?? [];
  const quality = Number(digits);
  return quality >= 1 && quality <= 100 ? { quality, fullChroma: chroma === '1' } : undefined;
}

function isHttpUrl(given: string): boolean {
  return URL.canParse(given) && /^https?:$/.test(new URL(given).protocol);
}
