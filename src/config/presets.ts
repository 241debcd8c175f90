/** Image presets: names for parts of queries, called by `?$name$`. */
import { toPyramidionError } from '../errors.js';
import { presetModifiers } from '../protocol/image-serving/presets.js';
import { type Faults, isObject } from './faults.js';
import { boolean, choice, decimal, type Kind, LINE, text, whole } from './kinds.js';

/** Query text by the names of presets, in their order. */
export type Presets = Readonly<Record<string, string>>;

/** What a preset's name may be. */
export const PRESET_NAME: Kind<string> = text(/^[A-Za-z0-9._-]+$/, 'letters, digits, hyphens, underscores and dots');

/** A preset as query text. */
export const PRESET_TEXT: Kind<string> = text(/^(?!\?).+$/, 'query text without its ?, or an object of fields');

const word = text(/^[A-Za-z0-9-]+$/, 'a word');

/** The fields of a preset that is written as an object, and what they do. */
export const PRESET_FIELDS = {
  width: { ...whole(1, 65_500, 'pixels'), effect: '`wid`' },
  height: { ...whole(1, 65_500, 'pixels'), effect: '`hei`' },
  format: { ...word, effect: 'the first word of `fmt`; `jpeg` when only others are given' },
  colourSpace: { ...choice('gray', 'rgb', 'cmyk'), effect: 'the second word of `fmt`' },
  compression: { ...word, effect: 'the third word of `fmt`' },
  quality: { ...whole(1, 100), effect: 'the first number of `qlt`; 80 when only `fullChroma` is given' },
  fullChroma: { ...boolean(), effect: 'the second number of `qlt`' },
  quantize: { ...text(LINE, 'what quantize= takes'), effect: '`quantize`' },
  profile: { ...text(LINE, 'the name of a profile'), effect: 'the profile of `icc`' },
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
    if (isObject(value)) presets.set(name, queryOf(name, value, file, faults));
    else presets.set(name, faults.read(where, option, value, PRESET_TEXT)?.value ?? '');
  }
  return Object.fromEntries(presets);
}

/** The query text of an object of fields; '' when they are at fault. */
function queryOf(name: string, written: Readonly<Record<string, unknown>>, file: string, faults: Faults): string {
  const rows = new Map<string, Kind<unknown>>(Object.entries(PRESET_FIELDS));
  const known = new Map([...rows.keys()].map((field) => [field, field]));
  const fields = new Map<string, unknown>();
  let isGood = true;
  for (const [field, value] of Object.entries(written)) {
    // The original's forms leave fields empty.
    if (value === '') continue;
    const row = rows.get(field);
    const option = `presets.${name}.${field}`;
    const where = `${option} in ${file}`;
    const read = row === undefined ? null : faults.read(where, option, value, row);
    if (row === undefined) faults.addName(where, field, option, value, known);
    if (read === null) isGood = false;
    else fields.set(field, read.value);
  }
  if (!isGood) return '';
  try {
    return presetModifiers(name, Object.fromEntries(fields));
  } catch (thrown) {
    const { message, option = 'presets', value, limit } = toPyramidionError(thrown);
    faults.add(message, option, value, limit);
    return '';
  }
}
