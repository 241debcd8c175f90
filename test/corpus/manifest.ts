/** The corpus' list of files, and the table of what became of them. */
import type { Size } from '../../src/geometry.js';
import { formatTable } from './table.js';

/** What a manifest says of a file. `profile`: an ICC profile, which is no image. */
export type Expectation = 'loads' | 'either' | 'must fail' | 'profile';

/** One file. */
export interface Row {
  /** Path below the corpus. */
  readonly file: string;
  readonly expectation: Expectation;
  /** Of the stored pixels, before any orientation; null when the manifest does not know it. */
  readonly size: Size | null;
  /** Whether libvips refused it for want of a decoder, and not for damage. */
  readonly lacksDecoder: boolean;
}

/** libvips' words for that. */
const LACKS_DECODER = /not configured|tiled separate planes not supported|Unsupported JPEG data precision/;

/** Reads `manifest.tsv`; throws when a row is not understood. */
export function readManifest(text: string): Row[] {
  const [head = '', ...lines] = text.trimEnd().split('\n');
  const columns = head.split('\t');
  return lines.map((line) => {
    const cells = line.split('\t');
    const cell = (name: string): string => cells[columns.indexOf(name)] ?? '';
    const file = cell('file');
    const says = cell('expectation');
    const loaded = /^loads (\d+)x(\d+)$/.exec(says);
    const expectation = expectationOf(file, says);
    const size = loaded ?? /^(\d+)x(\d+)$/.exec(cell('dimensions'));
    return {
      file,
      expectation,
      size: size && { width: Number(size[1]), height: Number(size[2]) },
      lacksDecoder: LACKS_DECODER.test(cell('note')),
    };
  });
}

function expectationOf(file: string, says: string): Expectation {
  if (/\.ic[cm]$/.test(file)) return 'profile';
  if (/^loads \d+x\d+$/.test(says)) return 'loads';
  if (says.startsWith('either')) return 'either';
  if (says.startsWith('must fail')) return 'must fail';
  throw new Error(`the manifest says of ${file}: ${says}`);
}

/** What became of one file: a word for success, or the code of its error. */
export interface Outcome {
  readonly folder: string;
  readonly expectation: Expectation;
  readonly outcome: string;
}

/** Counts by folder, expectation and outcome, as a table of text; `success` is the word that comes first. */
export function countOutcomes(outcomes: readonly Outcome[], success = 'PTIFF'): string {
  const names = [...new Set(outcomes.map(({ outcome }) => outcome))].sort(
    (a, b) => Number(b === success) - Number(a === success) || a.localeCompare(b),
  );
  const classes = new Map<string, Outcome[]>();
  for (const outcome of outcomes) {
    const key = `${outcome.folder}\t${outcome.expectation}`;
    classes.set(key, [...(classes.get(key) ?? []), outcome]);
  }
  const counts = (of: readonly Outcome[]): string[] =>
    [...names.map((name) => of.filter(({ outcome }) => outcome === name).length), of.length].map((n) =>
      n ? `${n}` : '',
    );
  const table = [
    ['folder', 'expectation', ...names, 'all'],
    ...[...classes].map(([key, of]) => [...key.split('\t'), ...counts(of)]),
    ['all', '', ...counts(outcomes)],
  ];
  return formatTable(table);
}
