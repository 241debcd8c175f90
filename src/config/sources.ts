/** What the file, the environment and the command line say of settings: from names to rows of the table, and to values. */
import { isDeepStrictEqual } from 'node:util';
import { type Faults, isObject } from './faults.js';
import { attributeOf, longName, type ServeFlags } from './flags.js';
import { nearest } from './nearest.js';
import { qualifiedName, ROWS, SECTIONS, type SettingRow } from './settings.js';
import { WITHOUT_COUNTERPART } from './without-counterpart.js';

/** A setting as somebody wrote it. */
export interface Written {
  readonly row: SettingRow;
  /** Its name and its place, for messages. */
  readonly where: string;
  readonly value: unknown;
}

/** Values by their settings. */
export type Values = Map<SettingRow, unknown>;

const PREFIX = 'PYRAMIDION_';
/** The variable that names the file. */
export const CONFIG_VARIABLE = `${PREFIX}CONFIG`;

/** Settings of a file: `document` is what it holds, `file` its name for messages. */
export function writtenInFile(document: Readonly<Record<string, unknown>>, file: string, faults: Faults): Written[] {
  const top = new Map(ROWS.flatMap((row) => row.topNames.map((name) => [name, row])));
  const everyName = new Map(
    ROWS.flatMap((row) => [row.name, ...row.aliases].map((name) => [name, qualifiedName(row)])),
  );
  const sections = new Set<string>(Object.values(SECTIONS));
  const others = ['$schema', 'manifest', 'presets'];
  for (const name of [...sections, ...others]) everyName.set(name, name);

  const written: Written[] = [];
  const take = (names: ReadonlyMap<string, SettingRow>, name: string, value: unknown, section: string): void => {
    const path = section === '' ? name : `${section}.${name}`;
    const row = names.get(name);
    if (row !== undefined) written.push({ row, where: `${path} in ${file}`, value });
    else if (WITHOUT_COUNTERPART.has(name))
      faults.add(`${path} in ${file} sets nothing that Pyramidion has: leave it out`, path, value, 'left out');
    else faults.addName(`${path} in ${file}`, name, path, value, everyName);
  };
  for (const [name, value] of Object.entries(document)) {
    if (!sections.has(name)) {
      if (!others.includes(name)) take(top, name, value, '');
    } else if (isObject(value)) {
      const rows = ROWS.filter(({ section }) => section === name);
      const names = new Map(rows.flatMap((row) => [row.name, ...row.aliases].map((spelling) => [spelling, row])));
      for (const [inner, innerValue] of Object.entries(value)) take(names, inner, innerValue, name);
    } else faults.addValue(`${name} in ${file}`, name, value, 'an object of settings');
  }
  return written;
}

/** Settings among the variables, and the variables of our prefix that are none and not like any. */
export function writtenInEnvironment(env: NodeJS.ProcessEnv, faults: Faults): [written: Written[], unknown: string[]] {
  const rows = new Map(ROWS.map((row) => [row.variable, row]));
  const known = new Map([...rows.keys(), CONFIG_VARIABLE].map((name) => [name.slice(PREFIX.length), name]));
  const written: Written[] = [];
  const unknown: string[] = [];
  for (const [name, value = ''] of Object.entries(env)) {
    if (!name.startsWith(PREFIX) || name === CONFIG_VARIABLE || isServiceLink(name, value)) continue;
    const row = rows.get(name);
    const bare = name.slice(PREFIX.length);
    if (row !== undefined) written.push({ row, where: name, value });
    // The environment is everyone's: what resembles no setting may be meant for another program.
    else if (nearest(bare, known.keys()) === null) unknown.push(name);
    else faults.addName(name, bare, name, value, known);
  }
  return [written, unknown];
}

/** Whether a variable was set by Kubernetes or Docker for a service that is called pyramidion: `PYRAMIDION_PORT=tcp://…` */
function isServiceLink(name: string, value: string): boolean {
  return /_SERVICE_(HOST|PORT)(_|$)|_PORT_\d+_(TCP|UDP|SCTP)/.test(name) || /^(tcp|udp|sctp):\/\//.test(value);
}

/** Settings among the flags of `serve`. */
export function writtenAsFlags(flags: ServeFlags): Written[] {
  return ROWS.flatMap((row) => {
    const attribute = attributeOf(row);
    const given = attribute === null ? undefined : flags[attribute];
    if (row.flag === null || given === undefined) return [];
    return [{ row, where: longName(row.flag.flags), value: given === true ? (row.flag.value ?? true) : given }];
  });
}

/** The values of one source. Empty text says nothing, unless it is a value. */
export function valuesOf(written: readonly Written[], faults: Faults): Values {
  const values: Values = new Map();
  const firsts = new Map<SettingRow, Written>();
  for (const entry of written) {
    const { row, where, value } = entry;
    if (value === '' && row.takesEmpty !== true) continue;
    const read = faults.read(where, qualifiedName(row), value, row);
    if (read === null) continue;
    const first = firsts.get(row);
    if (first !== undefined && !isDeepStrictEqual(values.get(row), read.value)) {
      const both = `${first.where} and ${where} are names of one setting`;
      faults.add(
        `${both}, and say ${JSON.stringify(first.value)} and ${JSON.stringify(value)}`,
        row.name,
        value,
        first.value,
      );
    }
    firsts.set(row, entry);
    values.set(row, read.value);
  }
  return values;
}
