/** Files of a catalog as text, and the grammar of attribute files. */

/** Is told what is left aside in a file, and why. */
export type Warn = (message: string) => void;

/**
 * The text of a catalog's file: UTF-8 where it begins with a byte order mark, else ISO-8859-1. Throws for UTF-8 that is
 * none.
 */
export function decodeText(bytes: Uint8Array): string {
  const isUtf8 = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  // The label `iso-8859-1` of TextDecoder means windows-1252; the decoder drops the mark.
  if (!isUtf8) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
}

/**
 * Reads an attribute file: lines `name = value`, whose names are told apart in lower case only. A line that begins with
 * `#` says nothing; a backslash at the end of a line joins the next one to it, without the space that one begins with.
 * Of several lines of a name the last counts. What is no such line is told to `warn` with its number, and left aside.
 */
export function parseIni(text: string, warn: Warn): Map<string, { readonly name: string; readonly value: string }> {
  const values = new Map<string, { name: string; value: string }>();
  const lines = text.split(/\r\n|\n|\r/);
  for (let index = 0; index < lines.length; index++) {
    const number = index + 1;
    let line = (lines[index] ?? '').trimStart();
    if (line === '' || line.startsWith('#')) continue;
    while (line.endsWith('\\')) {
      index += 1;
      line = line.slice(0, -1) + (lines[index] ?? '').trimStart();
    }
    const at = line.indexOf('=');
    const name = line.slice(0, Math.max(0, at)).trim();
    if (!/^[a-z][\w.-]*$/i.test(name)) {
      warn(`line ${number} is no line of the form name = value`);
      continue;
    }
    const key = name.toLowerCase();
    values.delete(key);
    values.set(key, { name, value: line.slice(at + 1).trim() });
  }
  return values;
}
