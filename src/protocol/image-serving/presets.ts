/** Image presets that are written as fields (§3, 10): the commands they stand for. */
import { invalidOption } from '../../errors.js';
import { COMMANDS } from './commands.js';
import { encode, split } from './query.js';
import { Value } from './values.js';

/** What the value of each field is. */
const FIELDS = {
  width: 'number',
  height: 'number',
  format: 'text',
  colourSpace: 'text',
  compression: 'text',
  quality: 'number',
  fullChroma: 'flag',
  quantize: 'text',
  profile: 'text',
  intent: 'text',
  blackPointCompensation: 'flag',
  dither: 'flag',
  sharpen: 'flag',
  unsharpMask: 'text',
  resampling: 'text',
  printResolution: 'number',
  modifiers: 'text',
} as const;

type Field = keyof typeof FIELDS;

/** A preset's fields as text, flags as 0 and 1. */
type Texts = ReadonlyMap<Field, string>;

const ALLOWED = { number: 'a number', text: 'text', flag: 'true or false' } as const;

/**
 * The query text of a preset. Fields that are empty, or not there, say nothing; without width and height it is responsive.
 * Throws `INVALID_OPTION` that names the preset and the field, for fields that are not known and values their commands
 * do not take.
 */
export function presetModifiers(name: string, fields: Readonly<Record<string, unknown>>): string {
  const option = (field: string): string => `presets.${name}.${field}`;
  const texts = new Map<Field, string>();
  for (const [field, value] of Object.entries(fields)) {
    if (!isField(field)) throw invalidOption(option(field), value, `one of ${Object.keys(FIELDS).join(', ')}`);
    if (value === undefined || value === null || value === '') continue;
    texts.set(field, textOf(option(field), value, FIELDS[field]));
  }
  for (const field of ['intent', 'blackPointCompensation', 'dither'] as const)
    if (texts.has(field) && !texts.has('profile'))
      throw invalidOption(option(field), fields[field], 'beside a profile');
  const commands = commandsOf(texts).map(({ field, command, value }) => {
    check(option(field), fields[field], command, value);
    return `${command}=${encode(value)}`;
  });
  const modifiers = texts.get('modifiers');
  if (modifiers === undefined) return commands.join('&');
  checkModifiers(option('modifiers'), modifiers);
  return [...commands, modifiers].join('&');
}

/** Commands in their order, each with the field that its errors are told by. */
function commandsOf(texts: Texts): { readonly field: Field; readonly command: string; readonly value: string }[] {
  const at = (field: Field): string => texts.get(field) ?? '';
  const has = (...fields: readonly Field[]): boolean => fields.some((field) => texts.has(field));
  const list = (...items: readonly string[]): string => items.join().replace(/,+$/, '');
  const one = (field: Field, command: string) => (has(field) ? [{ field, command, value: at(field) }] : []);
  const format = list(at('format') || 'jpeg', at('colourSpace'), at('compression'));
  const quality = list(at('quality') || '80', at('fullChroma'));
  const icc = list(at('profile'), at('intent'), at('blackPointCompensation'), at('dither'));
  return [
    ...one('width', 'wid'),
    ...one('height', 'hei'),
    ...(has('format', 'colourSpace', 'compression')
      ? [{ field: 'format', command: 'fmt', value: format } as const]
      : []),
    ...(has('quality', 'fullChroma') ? [{ field: 'quality', command: 'qlt', value: quality } as const] : []),
    ...one('quantize', 'quantize'),
    ...(has('profile') ? [{ field: 'profile', command: 'icc', value: icc } as const] : []),
    ...one('sharpen', 'op_sharpen'),
    ...one('unsharpMask', 'op_usm'),
    ...one('resampling', 'resMode'),
    ...one('printResolution', 'printRes'),
  ];
}

function isField(name: string): name is Field {
  return Object.hasOwn(FIELDS, name);
}

function textOf(option: string, value: unknown, kind: (typeof FIELDS)[Field]): string {
  const fits = typeof value === { number: 'number', text: 'string', flag: 'boolean' }[kind];
  if (!fits) throw invalidOption(option, value, ALLOWED[kind]);
  return kind === 'flag' ? (value === true ? '1' : '0') : String(value);
}

/** What the command says of its value is said of the field. */
function check(option: string, given: unknown, command: string, value: string): void {
  try {
    COMMANDS.get(command.toLowerCase())?.read(new Value(command, value), 'comp');
  } catch (error) {
    throw invalidOption(
      option,
      given ?? value,
      `what ${command}= takes (${error instanceof Error ? error.message : ''})`,
    );
  }
}

/** Macros that are called may come later: whether the commands are right is seen where they are used. */
function checkModifiers(option: string, modifiers: string): void {
  const allowed = 'query text without its ?';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/^\?|[\u0000-\u001f\u007f]/.test(modifiers)) throw invalidOption(option, modifiers, allowed);
  try {
    split(modifiers);
  } catch {
    throw invalidOption(option, modifiers, allowed);
  }
}
