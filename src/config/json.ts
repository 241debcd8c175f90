/** Reads JSON and says where it goes wrong, by line and column, which `JSON.parse` of Node.js 20 does not always tell. */

/** Where text stops being JSON (RFC 8259). Lines and columns count from 1, columns in UTF-16 units. */
export class JsonFault extends Error {
  override readonly name = 'JsonFault';
  readonly line: number;
  readonly column: number;

  constructor(text: string, offset: number, expected: string) {
    const before = text.slice(0, offset).split(/\r\n|[\r\n]/);
    super(`line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}: ${expected}`);
    this.line = before.length;
    this.column = (before.at(-1)?.length ?? 0) + 1;
  }
}

/** Deepest nesting that is read. */
const MAX_DEPTH = 64;
const SPACE = /[ \t\r\n]*/y;
/** What may stand in a string as it is: all but quotes, backslashes and what comes before the space. */
const STRING = /"(?:[ !#-[\]-\uffff]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*"/y;
const SCALAR = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])|(?:true|false|null)(?![\w.])/y;

/**
 * What `JSON.parse` yields, except that an object may not say one name twice, and a byte order mark at the start is
 * skipped. Throws a {@link JsonFault}.
 */
export function parseJson(text: string): unknown {
  let offset = text.startsWith('\ufeff') ? 1 : 0;

  const fail = (expected: string): never => {
    throw new JsonFault(text, offset, offset < text.length ? expected : `${expected}, but the text ends here`);
  };
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = offset;
    const found = pattern.exec(text)?.[0];
    offset += found?.length ?? 0;
    return found;
  };
  /** Takes one of the characters, with the space around it. */
  const mark = (marks: string): string | undefined => {
    match(SPACE);
    const found = text.charAt(offset);
    if (found === '' || !marks.includes(found)) return undefined;
    offset += 1;
    match(SPACE);
    return found;
  };
  const value = (depth: number): unknown => {
    if (depth > MAX_DEPTH) fail(`at most ${MAX_DEPTH} objects and lists inside each other are allowed`);
    if (mark('{') !== undefined) return object(depth);
    if (mark('[') !== undefined) return list(depth);
    const scalar = match(STRING) ?? match(SCALAR);
    return scalar === undefined ? fail('expected a value') : JSON.parse(scalar);
  };
  const object = (depth: number): unknown => {
    const members = new Map<string, unknown>();
    if (mark('}') !== undefined) return {};
    do {
      const start = offset;
      const name = match(STRING);
      if (name === undefined) return fail('expected a name in double quotes');
      const key: string = JSON.parse(name);
      if (members.has(key)) {
        offset = start;
        return fail(`${name} is said twice in one object`);
      }
      if (mark(':') === undefined) fail(`expected : after ${name}`);
      members.set(key, value(depth + 1));
    } while (mark(',') !== undefined);
    return mark('}') === undefined ? fail('expected , or }') : Object.fromEntries(members);
  };
  const list = (depth: number): unknown => {
    const items: unknown[] = [];
    if (mark(']') !== undefined) return items;
    do items.push(value(depth + 1));
    while (mark(',') !== undefined);
    return mark(']') === undefined ? fail('expected , or ]') : items;
  };

  match(SPACE);
  const whole = value(1);
  match(SPACE);
  return offset < text.length ? fail('expected nothing more') : whole;
}
