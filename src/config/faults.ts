/** What is wrong with a configuration, gathered so that it is all told at once. */
import { PyramidionError, shown } from '../errors.js';
import type { Kind } from './kinds.js';
import { nearest } from './nearest.js';

/** Most names that a message lists. */
const MAX_LISTED = 20;

/** The faults found so far. */
export class Faults {
  readonly #faults: { message: string; option: string; value: unknown; limit: unknown }[] = [];

  /** Adds one. @param option what is at fault, @param limit what would be right */
  add(message: string, option: string, value: unknown, limit: unknown): void {
    this.#faults.push({ message, option, value, limit });
  }

  /** Adds a value that is not allowed. @param where its name and its place */
  addValue(where: string, option: string, value: unknown, allowed: string): void {
    this.add(`${where} must be ${allowed}; got ${shown(value)}`, option, value, allowed);
  }

  /** Adds a name that is not known. @param known names, and what to write for each */
  addName(where: string, name: string, option: string, value: unknown, known: ReadonlyMap<string, string>): void {
    const near = nearest(name, known.keys());
    const names = [...new Set(known.values())];
    const all = names.length > MAX_LISTED ? 'see docs/settings.md' : `allowed are ${names.join(', ')}`;
    const hint = near === null ? all : `did you mean ${known.get(near)}?`;
    this.add(`${where} is not known: ${hint}`, option, value, [...known.keys()]);
  }

  /** Reads a value of a kind. */
  read<Value>(where: string, option: string, written: unknown, kind: Kind<Value>): { readonly value: Value } | null {
    const parsed = kind.schema.safeParse(written);
    if (parsed.success) return { value: parsed.data };
    const reason = parsed.error.issues.find(({ code, message }) => code === 'custom' && message !== 'Invalid input');
    if (reason === undefined) this.addValue(where, option, written, kind.allowed);
    else this.add(`${where}: ${reason.message}`, option, written, kind.allowed);
    return null;
  }

  /** Throws `INVALID_OPTION` with all faults, a line each, where there are any; `option`, `value`, `limit` are the first's. */
  throwAny(): void {
    const [first] = this.#faults;
    if (first === undefined) return;
    const lines = this.#faults.map(({ message }) => message);
    const message =
      lines.length === 1 ? first.message : [`${lines.length} faults in the configuration:`, ...lines].join('\n');
    throw new PyramidionError('INVALID_OPTION', message, first);
  }
}

/** Whether a value is an object with names, as JSON has them. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
