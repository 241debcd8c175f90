/** Data files of catalogs: tables of tab-separated values. */
import { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { type InfoRecord, parse } from 'csv-parse';
import type { Warn } from './ini.js';

/** Columns of a kind of table; in files their names may be in any case. */
export interface TableColumns {
  /** Tells rows apart. A table without it is none. */
  readonly key: string;
  readonly others: readonly string[];
}

/** One row: texts by the columns' names in lower case. Cells that are empty or left out are ''. */
export type Row = (column: string) => string;

/** Bytes that are read in one turn of the event loop: some milliseconds. */
const BYTES_AT_ONCE = 1 << 14;

/**
 * Reads a table: a row of names, then rows of cells between tabs. A cell in double quotes may hold tabs, line ends and
 * doubled quotes. Columns whose names begin with a dot are left out; unknown ones too, and told to `warn`, as are rows
 * without a key. `onRow` is called for every other row, with its line. Rejects with an `Error` that says what is wrong
 * when the table has no key column, a column twice, or quotes that do not end.
 */
export async function readTable(
  text: string,
  { key, others }: TableColumns,
  warn: Warn,
  onRow: (row: Row, line: number) => void,
): Promise<void> {
  const known = new Set([key, ...others].map((name) => name.toLowerCase()));
  let hasHeader = false;
  const nameColumns = (names: readonly string[]): (string | false)[] => {
    hasHeader = true;
    const seen = new Set<string>();
    const columns = names.map((name) => {
      const lower = name.trim().toLowerCase();
      if (lower === '' || lower.startsWith('.')) return false;
      if (seen.has(lower)) throw new Error(`it has two columns ${name.trim()}`);
      seen.add(lower);
      if (known.has(lower)) return lower;
      warn(`there is no column ${JSON.stringify(name)}`);
      return false;
    });
    if (!seen.has(key.toLowerCase())) throw new Error(`it has no column ${key}`);
    return columns;
  };
  const parser = parse({
    delimiter: '\t',
    record_delimiter: ['\r\n', '\n', '\r'],
    // A quote within a cell that does not begin with one is an ordinary character.
    relax_quotes: true,
    relax_column_count: true,
    skip_empty_lines: true,
    info: true,
    columns: nameColumns,
  });
  const rows = Readable.from(slices(Buffer.from(text))).pipe(parser) as AsyncIterable<TableRecord>;
  for await (const { record, info } of rows) {
    const row: Row = (column) => record[column.toLowerCase()]?.trim() ?? '';
    if (row(key) === '') warn(`line ${info.lines} has no ${key}`);
    else onRow(row, info.lines);
  }
  if (!hasHeader) throw new Error('it is empty');
}

/** The bytes in parts, a turn of the event loop between them: requests are served while a large table is read. */
async function* slices(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += BYTES_AT_ONCE) {
    await setImmediate();
    yield bytes.subarray(at, at + BYTES_AT_ONCE);
  }
}

interface TableRecord {
  readonly record: Readonly<Record<string, string>>;
  readonly info: Pick<InfoRecord, 'lines'>;
}
