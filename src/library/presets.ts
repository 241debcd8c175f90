/** Image presets: named parts of queries, which are macros of the default catalog. */
import { shown } from '../errors.js';
import { isObject } from './file-kind.js';

/** Turns a preset that is written as an object of fields into query text; throws what is wrong with it. */
export type ReadPreset = (name: string, fields: Readonly<Record<string, unknown>>) => string;

/** What a name of a macro may be. */
const NAME = /^[a-z0-9._-]+$/i;

/** Whether a text may be called as `$name$`. */
export function isMacroName(name: string): boolean {
  return NAME.test(name);
}

/**
 * Query texts by names in lower case, in the order of the object. A preset is written as query text, or as fields for
 * `readPreset`. Throws for the first that is not right.
 */
export function readPresets(
  presets: Readonly<Record<string, unknown>>,
  readPreset: ReadPreset,
): ReadonlyMap<string, string> {
  const macros = new Map<string, string>();
  for (const [name, value] of Object.entries(presets)) {
    if (!isMacroName(name)) throw new Error(`${shown(name)} is no name: letters, digits, '.', '-' and '_' make one`);
    if (macros.has(name.toLowerCase())) throw new Error(`there are two presets ${name}; case does not tell them apart`);
    if (typeof value !== 'string' && !isObject(value)) {
      throw new Error(`the preset ${name} must be query text or an object of fields; got ${shown(value)}`);
    }
    macros.set(name.toLowerCase(), typeof value === 'string' ? value.trim() : readPreset(name, value));
  }
  return macros;
}
