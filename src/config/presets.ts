/** Image presets: names for parts of queries, called by `?$name$`. */
import { type Faults, isObject } from './faults.js';
import { boolean, choice, decimal, type Kind, text, whole } from './kinds.js';

/** Query text by the names of presets, in their order. */
export type Presets = Readonly<Record<string, string>>;

/** What a preset's name may be. */
export const PRESET_NAME: Kind<string> = text(/^[A-Za-z0-9._-]+$/, 'letters, digits, hyphens, underscores and dots');

/** A preset as query text. */
export const PRESET_TEXT: Kind<string> = text(/^(?!\?).+$/, 'query text without its ?, or an object of fields');

const word = text(/^[A-Za-z0-9-]+$/, 'a word');
const quoted = (allowed: string): Kind<string> => text(/^[^&?#=\r\n]+$/, allowed);

/** The fields of a preset that is written as an object, and what they do. */
export const PRESET_FIELDS = {
  width: { ...whole(1, 65_500, 'pixels'), effect: '`wid`' },
  height: { ...whole(1, 65_500, 'pixels'), effect: '`hei`' },
  format: { ...word, effect: 'the first word of `fmt`; `jpeg` when only others are given' },
  colourSpace: { ...choice('gray', 'rgb', 'cmyk'), effect: 'the second word of `fmt`' },
  compression: { ...word, effect: 'the third word of `fmt`' },
  quality: { ...whole(1, 100), effect: 'the first number of `qlt`; 80 when only `fullChroma` is given' },
  fullChroma: { ...boolean(), effect: 'the second number of `qlt`' },
  quantize: { ...quoted('what quantize= takes'), effect: '`quantize`' },
  profile: { ...quoted('the name of a profile'), effect: 'the profile of `icc`' },
  intent: { ...choice('perceptual', 'relative', 'saturation', 'absolute'), effect: 'its intent; with `profile`' },
  blackPointCompensation: { ...boolean(), effect: 'its black-point compensation; with `profile`' },
  dither: { ...boolean(), effect: 'its dither; with `profile`' },
  sharpen: { ...boolean(), effect: '`op_sharpen`' },
  unsharpMask: {
    ...text(/^\d+(\.\d+)?(,\d+(\.\d+)?){0,2}(,[01])?$/, 'amount[,radius[,threshold[,0 or 1]]]'),
    effect: '`op_usm`',
  },
  resampling: { ...choice('bilin', 'bicub', 'sharp2', 'bisharp'), effect: '`resMode`' },
  printResolution: { ...decimal(1, 100_000, 'dpi'), effect: '`printRes`' },
  modifiers: { ...PRESET_TEXT, allowed: 'query text without its ?', effect: 'further commands, as they are' },
} satisfies Readonly<Record<string, Kind<unknown> & { readonly effect: string }>>;

type Fields = { [Name in keyof typeof PRESET_FIELDS]?: (typeof PRESET_FIELDS)[Name] extends Kind<infer V> ? V : never };

/** The presets that are written, as query text. */
export function readPresets(written: unknown, file: string, faults: Faults): Presets {
  if (written === undefined) return {};
  if (!isObject(written)) {
    faults.addValue(`presets in ${file}`, 'presets', written, 'an object of presets');
    return {};
  }
  const presets = new Map<string, string>();
  const spellings = new Map<string, string>();
  for (const [name, value] of Object.entries(written)) {
    const option = `presets.${name}`;
    const where = `${option} in ${file}`;
    const twin = spellings.get(name.toLowerCase());
    if (twin !== undefined) faults.add(`${where} is the same name as presets.${twin}`, option, name, 'another name');
    spellings.set(name.toLowerCase(), name);
    faults.read(`the name of ${where}`, option, name, PRESET_NAME);
    if (isObject(value)) presets.set(name, queryOf(readFields(value, option, file, faults)));
    else presets.set(name, faults.read(where, option, value, PRESET_TEXT)?.value ?? '');
  }
  return Object.fromEntries(presets);
}

function readFields(written: Readonly<Record<string, unknown>>, preset: string, file: string, faults: Faults): Fields {
  const rows = new Map<string, Kind<unknown>>(Object.entries(PRESET_FIELDS));
  const known = new Map([...rows.keys()].map((name) => [name, name]));
  const fields: [string, unknown][] = [];
  for (const [name, value] of Object.entries(written)) {
    const row = rows.get(name);
    const option = `${preset}.${name}`;
    const where = `${option} in ${file}`;
    if (row === undefined) faults.addName(where, name, option, value, known);
    // The original's forms leave fields empty.
    else if (value === '') continue;
    else fields.push([name, faults.read(where, option, value, row)?.value]);
    if (['intent', 'blackPointCompensation', 'dither'].includes(name) && !('profile' in written))
      faults.add(`${where} needs a profile beside it`, option, value, 'a profile');
  }
  // Each value is of its row's kind.
  return Object.fromEntries(fields) as Fields;
}

/** The commands that the fields stand for. */
function queryOf(fields: Fields): string {
  const { format, colourSpace, compression, quality, fullChroma, profile } = fields;
  const one = (name: string, value: string | number | undefined) => (value === undefined ? [] : [`${name}=${value}`]);
  const bit = (value: boolean | undefined, byDefault: boolean) => ((value ?? byDefault) ? 1 : 0);
  const words = [
    format ?? 'jpeg',
    ...(colourSpace || compression ? [colourSpace ?? ''] : []),
    ...(compression ? [compression] : []),
  ];
  const icc = [
    encodeURIComponent(profile ?? ''),
    fields.intent ?? 'relative',
    bit(fields.blackPointCompensation, true),
    bit(fields.dither, false),
  ];
  return [
    ...one('wid', fields.width),
    ...one('hei', fields.height),
    ...one('fmt', format || colourSpace || compression ? words.join() : undefined),
    ...one('qlt', quality || fullChroma !== undefined ? `${quality ?? 80},${bit(fullChroma, false)}` : undefined),
    ...one('quantize', fields.quantize),
    ...one('icc', profile === undefined ? undefined : icc.join()),
    ...one('op_sharpen', fields.sharpen === undefined ? undefined : bit(fields.sharpen, false)),
    ...one('op_usm', fields.unsharpMask),
    ...one('resMode', fields.resampling),
    ...one('printRes', fields.printResolution),
    ...(fields.modifiers === undefined ? [] : [fields.modifiers]),
  ].join('&');
}
