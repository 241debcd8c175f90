/** The version of this package, as its `package.json` has it. */
import { readFileSync } from 'node:fs';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

/** `0.1.0` and the like. */
export const VERSION = version;

/** What files and messages call the program. */
export const SOFTWARE = `Pyramidion ${version}`;
