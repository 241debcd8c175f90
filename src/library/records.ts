/** Fields of records: one table for the rows of catalogs and for the `record.json` of a folder of renditions. */
import { shown } from '../errors.js';
import { textOf, thumbType } from './attributes.js';
import type { Warn } from './ini.js';
import type { TableColumns } from './table.js';
import type { AssetRecord } from './types.js';
import {
  hours,
  kind,
  longText,
  milliseconds,
  pair,
  path,
  real,
  text,
  timeStamp,
  type ValueKind,
  whole,
} from './values.js';

type FieldName = Exclude<keyof AssetRecord, 'id'>;

/** One field. */
interface FieldRow<Value> {
  /** The name of its column, in any case. In `record.json` it has the key's name. */
  readonly column: string;
  readonly kind: ValueKind<Value>;
  /** How `record.json` writes it, where that differs. */
  readonly jsonKind: ValueKind<Value>;
  /** What it is where a record does not say it. */
  readonly fallback: Value;
}

const IN_IMAGE = pair('two whole numbers of pixels', whole(-1e9, 1e9));

/** Every field but the id. */
const FIELDS: { readonly [Key in FieldName]: FieldRow<AssetRecord[Key]> } = {
  path: field('Path', path, ''),
  maskPath: field('MaskPath', path, null),
  modifier: field('Modifier', longText, ''),
  postModifier: field('PostModifier', longText, ''),
  anchor: field<AssetRecord['anchor']>(
    'Anchor',
    mapped(IN_IMAGE, ([x, y]) => ({ x, y })),
    null,
  ),
  // 0 stands for the catalog's own.
  resolution: field<AssetRecord['resolution']>('Resolution', mapped(real(0, 100_000), orNull), null),
  printResolution: field<AssetRecord['printResolution']>('PrintResolution', mapped(whole(0, 100_000), orNull), null),
  size: field<AssetRecord['size']>(
    'Size',
    mapped(pair('width and height, whole numbers from 1', whole(1)), ([width, height]) => ({ width, height })),
    null,
  ),
  expirationMs: field<AssetRecord['expirationMs']>('Expiration', orInherited(hours), null, orInherited(milliseconds)),
  timeStamp: field('TimeStamp', timeStamp, null),
  thumbType: field('ThumbType', thumbType, null),
  thumbRes: field<AssetRecord['thumbRes']>('ThumbRes', mapped(real(0, 100_000), orNull), null),
  userData: field('UserData', longText, null),
  imageSet: field('ImageSet', longText, null),
  assetType: field('AssetType', text, null),
  map: field('Map', longText, null),
  targets: field('Targets', longText, null),
};

/**
 * Columns of an image catalog: those of the fields, and some that other kinds of catalogs have and that change nothing
 * here.
 */
export const RECORD_COLUMNS: TableColumns = {
  key: 'Id',
  others: [
    ...Object.values(FIELDS).map(({ column }) => column),
    ...['DigimarcInfo', 'UserType', 'VideoBitRate', 'VideoSize'],
  ],
};

/** Keys of `record.json` that are not fields: what `ingest` notes of the file that an asset was made of. */
const OTHER_KEYS: ReadonlySet<string> = new Set(['source']);

/**
 * The record of a row whose cells `cell` yields by column. A field that is empty is not said; one that is not allowed
 * is told to `warn`, and is not said either.
 */
export function recordOfRow(id: string, cell: (column: string) => string, warn: Warn): AssetRecord {
  return recordOf(id, (_, { column, kind: of }) => ({ name: column, given: cell(column), of }), warn);
}

/**
 * The record in a `record.json`: the fields' names as in {@link AssetRecord}, with text, numbers or pairs of numbers as
 * values; times in milliseconds; null for what is not said. What is not allowed, and names without meaning, are told to
 * `warn`, and left aside.
 */
export function recordOfJson(id: string, fields: Readonly<Record<string, unknown>>, warn: Warn): AssetRecord {
  for (const name of Object.keys(fields)) {
    if (!Object.hasOwn(FIELDS, name) && !OTHER_KEYS.has(name)) warn(`there is no field ${shown(name)}`);
  }
  return recordOf(
    id,
    (name, { jsonKind }) => ({ name, given: Object.hasOwn(fields, name) ? fields[name] : null, of: jsonKind }),
    warn,
  );
}

/** How a field is read: under its name, from what is given (null and '' are nothing), as a kind of value. */
type Written<Value> = { readonly name: string; readonly given: unknown; readonly of: ValueKind<Value> };

function recordOf(
  id: string,
  written: <Value>(key: FieldName, row: FieldRow<Value>) => Written<Value>,
  warn: Warn,
): AssetRecord {
  const read = <Key extends FieldName>(key: Key): AssetRecord[Key] => {
    const row: FieldRow<AssetRecord[Key]> = FIELDS[key];
    const { name, given, of } = written(key, row);
    if (given === null || given === '') return row.fallback;
    const cell = textOf(given);
    const value = cell === undefined ? undefined : of.read(cell);
    if (value !== undefined) return value;
    warn(`${name} must be ${of.allowed}; got ${shown(given)}`);
    return row.fallback;
  };
  return {
    id,
    path: read('path'),
    maskPath: read('maskPath'),
    modifier: read('modifier'),
    postModifier: read('postModifier'),
    anchor: read('anchor'),
    resolution: read('resolution'),
    printResolution: read('printResolution'),
    size: read('size'),
    expirationMs: read('expirationMs'),
    timeStamp: read('timeStamp'),
    thumbType: read('thumbType'),
    thumbRes: read('thumbRes'),
    userData: read('userData'),
    imageSet: read('imageSet'),
    assetType: read('assetType'),
    map: read('map'),
    targets: read('targets'),
  };
}

function field<Value>(
  column: string,
  of: ValueKind<Value>,
  fallback: Value,
  jsonKind: ValueKind<Value> = of,
): FieldRow<Value> {
  return { column, kind: of, jsonKind, fallback };
}

function mapped<From, To>({ allowed, read }: ValueKind<From>, map: (value: From) => To): ValueKind<To> {
  return kind(allowed, (given) => {
    const value = read(given);
    return value === undefined ? undefined : map(value);
  });
}

function orNull(number: number): number | null {
  return number === 0 ? null : number;
}

/** −2 is the catalog's own. */
function orInherited({ allowed, read }: ValueKind<number>): ValueKind<number | null> {
  return kind(`−2 (as the catalog), ${allowed}`, (given) => (Number(given) === -2 ? null : read(given)));
}
