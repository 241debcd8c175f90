/** Property data of records (server-settings §6.1): `name=value` pairs separated by `??` or line ends. */

const SEPARATOR = /\?\?|\r?\n/g;

/** A pair with a value in quotes. They count as such from the value's first character to its last only. */
const QUOTED = /[\w.-]+[ \t]*=[ \t]*"(?:[^"]|"")*"[ \t]*(?=\?\?|\r?\n|$)/y;

/** The pieces between separators that stand in no quotes, as written. */
export function splitPropertyData(text: string): readonly string[] {
  const pieces: string[] = [];
  let start = 0;
  while (true) {
    QUOTED.lastIndex = start;
    SEPARATOR.lastIndex = start + (QUOTED.exec(text)?.[0].length ?? 0);
    const separator = SEPARATOR.exec(text);
    pieces.push(text.slice(start, separator?.index));
    if (separator === null) return pieces;
    start = separator.index + separator[0].length;
  }
}

/**
 * Names, as first written, to values without their quotes. Names are the same in any case, and the last value of several
 * counts. null: something in it is no pair.
 */
export function parsePropertyData(text: string): ReadonlyMap<string, string> | null {
  const names = new Map<string, string>();
  const properties = new Map<string, string>();
  for (const piece of splitPropertyData(text)) {
    if (piece.trim() === '') continue;
    const equals = piece.indexOf('=');
    const written = piece.slice(0, Math.max(0, equals)).trim();
    const value = piece.slice(equals + 1).trim();
    if (!/^[\w.-]+$/.test(written)) return null;
    const name = names.get(written.toLowerCase()) ?? written;
    names.set(name.toLowerCase(), name);
    const [, quoted] = /^"((?:[^"]|"")*)"$/.exec(value) ?? [];
    properties.set(name, quoted?.replaceAll('""', '"') ?? value);
  }
  return properties;
}
