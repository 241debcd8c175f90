/** The grammar of a query (§1, §3): pieces, macros, variables. What commands mean is not known here. */
import { PyramidionError } from '../../errors.js';
import { invalidRequest, refusedRequest } from '../../region/request.js';

/** One command, in the order of the query. */
export interface Command {
  /** In lower case. */
  readonly name: string;
  /** Decoded, variables in place. */
  readonly value: string;
  /** Which of the texts that were read it stands in, from 0. */
  readonly source: number;
}

/** What a query says. */
export interface Query {
  readonly commands: readonly Command[];
  /** Names of commands that are not known, in order, as written. */
  readonly ignored: readonly string[];
  /** Variables as they stand at the end, names in lower case. */
  readonly variables: ReadonlyMap<string, string>;
}

/** What a query may refer to. */
export interface QueryContext {
  /**
   * Name to definition (query text). A definition may call macros that stand before it in the map. Any case. The map
   * must not change once it was given: what is looked up in it is worked out once.
   */
  readonly macros: ReadonlyMap<string, string>;
  /** Variables that are defined before the query begins. Any case. */
  readonly variables: ReadonlyMap<string, string>;
  /** Whether there is a command of this name (lower case); values of others are not even decoded. */
  readonly isKnown: (name: string) => boolean;
  /** Longest query, and longest value, in characters. */
  readonly maxLength: number;
}

/** Text that macros may add up to, as a multiple of the longest query. */
const MACRO_GROWTH = 4;

/** Most commands (known or not) and definitions of a request, those of macros among them. */
const MAX_COMMANDS = 1000;

/** Deepest nesting: of brackets in one value, and of macros. */
const MAX_DEPTH = 32;

/** A value that starts a nested request: `&` and `=` inside its brackets are its own. */
const NESTED = /^(?:(?:src|mask)=(?:is|ir|fxg)?([({])|imageset=(\{))/i;

const UTF_8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Commands whose value takes no variables. */
const LITERAL = new Set(['layer', 'effect']);

/** A macro, and the place it has among the others. */
interface Macro {
  readonly text: string;
  readonly index: number;
}

/** Macros by their names in lower case. Catalogs have thousands of them, and stay the same from request to request. */
const MACROS = new WeakMap<QueryContext['macros'], ReadonlyMap<string, Macro>>();

function macrosOf(given: QueryContext['macros']): ReadonlyMap<string, Macro> {
  let macros = MACROS.get(given);
  if (macros === undefined) {
    macros = new Map([...given].map(([name, text], index) => [name.toLowerCase(), { text, index }]));
    MACROS.set(given, macros);
  }
  return macros;
}

/**
 * Reads a raw query: without `?`, not decoded. Of several texts each goes on where the one before it ended, with its
 * macros and variables. Throws `INVALID_REQUEST` with the command's name, and `LIMIT_EXCEEDED` for a query that is too
 * long or grows too long (`maxQueryLength`), or has more than 1000 commands (`maxCommands`).
 */
export function readQuery(query: string | readonly string[], context: QueryContext): Query {
  const commands: Command[] = [];
  const ignored: string[] = [];
  const variables = new Map<string, string>();
  for (const [name, value] of context.variables) variables.set(name.toLowerCase(), value);
  let expanded = 0;
  let depth = 0;
  let count = 0;
  let source = 0;

  const define = (name: string, raw: string): void => {
    const value = substitute(decode(`$${name}`, raw), variables);
    checkLength(value, context.maxLength, `the value of $${name}`);
    variables.set(name.toLowerCase(), value);
  };
  const call = (name: string, visible: number): void => {
    const macro = macrosOf(context.macros).get(name.toLowerCase());
    if (macro === undefined || macro.index >= visible)
      throw invalidRequest(`$${name}$`, name, 'a macro that is defined');
    expanded += macro.text.length;
    if (expanded > context.maxLength * MACRO_GROWTH)
      throw tooLong(expanded, context.maxLength * MACRO_GROWTH, 'macros');
    if (depth === MAX_DEPTH) throw refusedRequest(`$${name}$`, name, `is within more than ${MAX_DEPTH} macros`);
    depth += 1;
    read(macro.text, macro.index);
    depth -= 1;
  };
  const command = (written: string, raw: string): void => {
    const name = written.toLowerCase();
    if (!context.isKnown(name)) {
      ignored.push(written);
      return;
    }
    const decoded = decode(name, raw);
    const value = LITERAL.has(name) ? decoded : substitute(decoded, variables);
    if (value !== decoded) {
      checkLength(value, context.maxLength, `the value of ${name}`);
      checkCharacters(name, value);
    }
    commands.push({ name, value, source });
  };
  const read = (text: string, visible: number): void => {
    for (const piece of split(text)) {
      if (piece === '' || piece.startsWith('.')) continue;
      const equals = piece.indexOf('=');
      const name = decodeName(equals < 0 ? piece : piece.slice(0, equals));
      const raw = equals < 0 ? '' : piece.slice(equals + 1);
      const isMacro = name.length > 2 && name.startsWith('$') && name.endsWith('$') && raw === '';
      if (isMacro) {
        call(name.slice(1, -1), visible);
        continue;
      }
      if (++count > MAX_COMMANDS) throw tooMany();
      if (/^\$[\w.-]+$/.test(name) && equals >= 0) define(name.slice(1), raw);
      else command(name, raw);
    }
  };
  for (const text of typeof query === 'string' ? [query] : query) {
    checkLength(text, context.maxLength, 'the query');
    read(text, Number.POSITIVE_INFINITY);
    source += 1;
  }
  return { commands, ignored, variables };
}

/**
 * The last value of a command in a query that may not be right as a whole: errors are told in the form that was asked for. Neither
 * macros nor variables are looked at. null: it is not there, or cannot be decoded.
 */
export function peekCommand(query: string, name: string): string | null {
  const start = `${name}=`;
  const piece = query.split('&').findLast((text) => text.slice(0, start.length).toLowerCase() === start);
  if (piece === undefined) return null;
  try {
    return decode(name, piece.slice(start.length));
  } catch {
    return null;
  }
}

/** The pieces between `&`, less those inside the brackets of nested requests. Throws `INVALID_REQUEST`. */
export function split(text: string): string[] {
  if (!/[({]/.test(text)) return text.split('&');
  const pieces: string[] = [];
  let start = 0;
  while (start <= text.length) {
    const rest = text.slice(start);
    const nested = NESTED.exec(rest);
    const from = nested === null ? start : start + closing(rest, nested[0].length - 1);
    const end = text.indexOf('&', from);
    const stop = end < 0 ? text.length : end;
    pieces.push(text.slice(start, stop));
    start = stop + 1;
  }
  return pieces;
}

/** Where the bracket that opens at `open` is closed. */
function closing(text: string, open: number): number {
  const opener = text.charAt(open);
  const closer = opener === '(' ? ')' : '}';
  const refuse = (reason: string): PyramidionError =>
    refusedRequest(text.slice(0, text.indexOf('=')).toLowerCase(), text.slice(open, open + 60), reason);
  let depth = 0;
  for (let i = open; i < text.length; i++) {
    const character = text.charAt(i);
    if (character === opener) depth++;
    if (character === closer) depth--;
    if (depth === 0) return i;
    if (depth > MAX_DEPTH) throw refuse(`has ${opener} within ${opener} more than ${MAX_DEPTH} deep`);
  }
  throw refuse(`has a ${opener} that is never closed`);
}

/**
 * Percent-decodes once; `+` is a space. Bytes are UTF-8, or Latin-1 where they cannot be. Throws `INVALID_REQUEST` for
 * a `%` without two hexadecimal digits and for control characters.
 */
export function decode(command: string, raw: string): string {
  return decodePercent(command, raw.replaceAll('+', ' '));
}

/** The same for text in which `+` is a plus sign. `name` is what the error names. */
export function decodePercent(name: string, raw: string): string {
  if (!raw.includes('%')) {
    checkCharacters(name, raw);
    return raw;
  }
  if (/%(?![0-9a-f]{2})/i.test(raw)) throw refusedRequest(name, raw, 'has a % that no two hexadecimal digits follow');
  const decoded = raw.replaceAll(/(?:%[0-9a-f]{2})+/gi, (run) => {
    const bytes = Buffer.from(run.replaceAll('%', ''), 'hex');
    try {
      return UTF_8.decode(bytes);
    } catch {
      return bytes.toString('latin1');
    }
  });
  checkCharacters(name, decoded);
  return decoded;
}

/** Percent-encodes a value so that {@link decode} and {@link decodePercent} read it back. */
export function encode(value: string): string {
  return value.replaceAll(/[^\w.,:/~-]+/g, (run) =>
    Buffer.from(run, 'utf8').toString('hex').toUpperCase().replaceAll(/../g, '%$&'),
  );
}

/** Names are decoded as values are, but what cannot be decoded is just the name of nothing we know. */
function decodeName(raw: string): string {
  if (!raw.includes('%')) return raw;
  try {
    return decode('', raw);
  } catch {
    return raw;
  }
}

/** Puts variables in place of `$name$`, once, from left to right; a name that is not defined stays as it is. */
export function substitute(text: string, variables: ReadonlyMap<string, string>): string {
  let result = '';
  let from = 0;
  while (from < text.length) {
    const open = text.indexOf('$', from);
    const close = open < 0 ? -1 : text.indexOf('$', open + 1);
    if (close < 0) break;
    const value = variables.get(text.slice(open + 1, close).toLowerCase());
    result += text.slice(from, open) + (value ?? text.slice(open, close));
    from = value === undefined ? close : close + 1;
  }
  return result + text.slice(from);
}

function checkCharacters(command: string, text: string): void {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 32 || code === 127) throw refusedRequest(command, text, 'has a control character');
  }
}

function checkLength(text: string, limit: number, what: string): void {
  if (text.length > limit) throw tooLong(text.length, limit, what);
}

function tooMany(): PyramidionError {
  return new PyramidionError('LIMIT_EXCEEDED', `the query has more than ${MAX_COMMANDS} commands`, {
    option: 'maxCommands',
    limit: MAX_COMMANDS,
  });
}

function tooLong(length: number, limit: number, what: string): PyramidionError {
  return new PyramidionError('LIMIT_EXCEEDED', `${what} would have ${length} characters, the limit is ${limit}`, {
    option: 'maxQueryLength',
    value: length,
    limit,
  });
}
