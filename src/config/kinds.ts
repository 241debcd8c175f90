/**
 * Kinds of settings: each as the zod schema that reads it, which also becomes the published JSON Schema, and as words. All of
 * them take text as well, so that a value is written alike in the file, in the environment and on the command line.
 */
import { z } from 'zod';
import { BYTES, bytesOf, MIN_BUDGET_BYTES } from '../pool/budget.js';

/** What a value may be. */
export interface Kind<Value> {
  /** From what is written to the value. */
  readonly schema: z.ZodType<Value>;
  /** The values allowed, as messages and the documentation say it. */
  readonly allowed: string;
  /** Empty text is a value like others; elsewhere it stands for the default. */
  readonly takesEmpty?: boolean;
  /** Files or folders, which are resolved. */
  readonly isPath?: boolean;
  readonly isList?: boolean;
}

const NUMBER = /^\s*-?(\d+(\.\d*)?|\.\d+)\s*$/;
/** One line of text, not empty. */
export const LINE = /^.+$/;

/** A whole number from `min` to `max`. */
export function whole(min: number, max: number, unit = ''): Kind<number> {
  return { schema: orText(z.int().min(min).max(max)), allowed: `a whole number ${range(min, max, unit)}` };
}

/** A number from `min` to `max`. */
export function decimal(min: number, max: number, unit = ''): Kind<number> {
  return { schema: orText(z.number().min(min).max(max)), allowed: `a number ${range(min, max, unit)}` };
}

/** A number of seconds; the value is in milliseconds. */
export function seconds(min: number, max: number): Kind<number> {
  const { schema, allowed } = decimal(min, max, 's');
  return { schema: schema.transform((value) => Math.round(value * 1000)), allowed };
}

/** An amount of bytes, as `parseBytes` takes it, of at least `minBytes`. */
export function bytes(minBytes: number): Kind<number> {
  const number = z.int().min(minBytes);
  return {
    schema: z.union([number, z.string().regex(BYTES).transform(bytesOf).pipe(number)]),
    allowed: `bytes, or a number with K, M, G or T; at least ${minBytes === MIN_BUDGET_BYTES ? '10M' : minBytes}`,
  };
}

/** true or false. */
export function boolean(): Kind<boolean> {
  const text = z.enum(['true', 'false']).transform((value) => value === 'true');
  return { schema: z.union([z.boolean(), text]), allowed: 'true or false' };
}

/** One of some words, as they are. */
export function choice<Name extends string>(...names: readonly [Name, ...Name[]]): Kind<Name> {
  return { schema: z.enum(names), allowed: listed(names) };
}

/** Text that fits `pattern`, which has no flags: a JSON Schema cannot have them. */
export function text(pattern: RegExp, allowed: string): Kind<string> {
  return { schema: z.string().regex(pattern), allowed };
}

/** One line of text, which may be empty. */
export function line(allowed = 'one line of text'): Kind<string> {
  return orEmpty(text(LINE, allowed));
}

/** A file or folder. */
export function path(allowed: 'a file' | 'a folder'): Kind<string> {
  return { ...text(LINE, allowed), isPath: true };
}

/** Folders, as a list or as text with `;` between them. */
export function paths(min: 0 | 1, what = 'folders'): Kind<readonly string[]> {
  const list = z.array(z.string().regex(LINE)).min(min);
  const parts = z.string().transform((value) => value.split(';').map((part) => part.trim()));
  return {
    schema: z.union([list, parts.transform((all) => all.filter((part) => part !== '')).pipe(list)]),
    allowed: `a list of ${what}, or text with ; between them${min > 0 ? '; at least one' : ''}`,
    isPath: true,
    isList: true,
  };
}

/** The kind with null, for a setting that may be absent. */
export function orNone<Value>(kind: Kind<Value>): Kind<Value | null> {
  return { ...kind, schema: z.nullable(kind.schema) };
}

/** The kind with empty text for null. */
export function orNoneByEmpty(kind: Kind<string>): Kind<string | null> {
  const none = z.literal('').transform(() => null);
  return {
    ...kind,
    schema: z.union([kind.schema, none]),
    allowed: `${kind.allowed}, or empty for none`,
    takesEmpty: true,
  };
}

/** The kind with empty text as a value of its own. */
export function orEmpty(kind: Kind<string>, allowed = `${kind.allowed}, or empty`): Kind<string> {
  return { ...kind, schema: z.union([kind.schema, z.literal('')]), allowed, takesEmpty: true };
}

function orText(number: z.ZodNumber): z.ZodType<number> {
  return z.union([number, z.string().regex(NUMBER).transform(Number).pipe(number)]);
}

function range(min: number, max: number, unit: string): string {
  const suffix = unit === '' ? '' : ` (${unit})`;
  return (max === Number.MAX_SAFE_INTEGER ? `from ${min}` : `${min}…${max}`) + suffix;
}

/** `a, b or c`. */
function listed(names: readonly string[]): string {
  return names.length < 2 ? names.join() : `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
}
