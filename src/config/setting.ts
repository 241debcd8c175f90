/** What a row of the table of settings is. */
import type { Kind } from './kinds.js';

/** A value as it is written. */
export type Written = string | number | boolean | null | readonly string[];

/** A flag of `pyramidion serve`. */
export interface Flag {
  /** As commander takes it: `--port <n>`. One without a value has a `--no-` form beside it when its setting is true or false. */
  readonly flags: string;
  /** What a flag without a value stands for; true when left out. */
  readonly value?: string | undefined;
}

/** One setting: how it is read, and how it is told. */
export interface Setting<Value> extends Kind<Value> {
  /** Its name in the file. */
  readonly name: string;
  /** What is taken when nobody says, as it would be written. */
  readonly byDefault: Written;
  readonly effect: string;
  /** Names the original has for it. */
  readonly aliases: readonly string[];
  readonly flag: Flag | null;
  /** The default, as the documentation says it. */
  readonly shown: string;
}

/** Settings of a section, by their names in `Config`. */
export type Table = Readonly<Record<string, Setting<unknown>>>;

/** What most settings do not have. */
export interface Extras {
  readonly aliases?: readonly string[];
  readonly flag?: string;
  readonly flagValue?: string;
  readonly shown?: string;
}

/** Makes a row. */
export function setting<Value>(
  name: string,
  kind: Kind<Value>,
  byDefault: Written,
  effect: string,
  { aliases = [], flag, flagValue, shown = String(byDefault) }: Extras = {},
): Setting<Value> {
  const flagOf = flag === undefined ? null : { flags: flag, value: flagValue };
  return { ...kind, name, byDefault, effect, aliases, flag: flagOf, shown };
}

/** Makes a row of a threshold for alerts. */
export function threshold(name: string, kind: Kind<number>, byDefault: number, effect: string): Setting<number> {
  return setting(name, kind, byDefault, effect, { aliases: [`AS::monitorAlertGenerator.${name}`] });
}
