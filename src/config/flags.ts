/** The flags of `pyramidion serve`, as data: which there are, and what each sets. */
import { ROWS, type SettingRow } from './settings.js';

/** One option to register with commander. Its text is not checked there: `readConfig` tells all faults at once. */
export interface ServeFlag {
  /** Such as `--port <n>`. */
  readonly flags: string;
  readonly description: string;
  /** May be given several times; the values are a list. */
  readonly isRepeatable: boolean;
}

/** Values of flags under the names commander gives them; those that are not ours are passed over. */
export type ServeFlags = Readonly<Record<string, unknown>>;

const CONFIG: ServeFlag = {
  flags: '--config <file>',
  description: 'the configuration, as JSON; see docs/settings.md',
  isRepeatable: false,
};

/** All of them, in the order of the settings. */
export const SERVE_FLAGS: readonly ServeFlag[] = [CONFIG, ...ROWS.flatMap(flagsOf)];

/** The name commander gives the value of a setting's flag: `--cache-root <folder>` is `cacheRoot`. */
export function attributeOf({ flag }: SettingRow): string | null {
  if (flag === null) return null;
  return longName(flag.flags)
    .slice(2)
    .replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** `--port` of `--port <n>`. */
export function longName(flags: string): string {
  return flags.split(' ')[0] ?? flags;
}

function flagsOf(row: SettingRow): ServeFlag[] {
  const { flag, effect, allowed, shown, isList = false } = row;
  if (flag === null) return [];
  const words = effect.replaceAll('`', '');
  if (flag.flags.includes('<'))
    return [
      {
        flags: flag.flags,
        description: `${words} [${allowed}; default ${shown.replaceAll('`', '')}]`,
        isRepeatable: isList,
      },
    ];
  if (flag.value !== undefined)
    return [{ flags: flag.flags, description: `${words}: ${flag.value}`, isRepeatable: false }];
  return [
    { flags: flag.flags, description: `${words} [default ${shown.replaceAll('`', '')}]`, isRepeatable: false },
    { flags: flag.flags.replace('--', '--no-'), description: `turns ${flag.flags} off`, isRepeatable: false },
  ];
}
