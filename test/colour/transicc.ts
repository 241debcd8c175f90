/** Little CMS's `transicc`: colours through a pair of profiles. */
import { spawn } from 'node:child_process';

/** A profile's file, or one that Little CMS has built in (`*XYZ`). */
export type ProfileArgument = string;

/** How {@link transicc} converts. */
export interface TransiccOptions {
  /** Channels of the output. */
  readonly channels: number;
  readonly intent?: 0 | 1 | 2 | 3;
  readonly blackPointCompensation?: boolean;
}

/**
 * Converts colours, given in the input profile's units (0…255 of RGB and gray, 0…100 of inks). Yields those of the output:
 * 0…255, or 0…100 of inks and XYZ. Rejects when transicc fails, and when it yields another number of values.
 */
export async function transicc(
  input: ProfileArgument,
  output: ProfileArgument,
  colours: readonly (readonly number[])[],
  options: TransiccOptions = { channels: 3 },
): Promise<number[][]> {
  const words = ['-n', '-c0', `-i${input}`, `-o${output}`, `-t${options.intent ?? 1}`];
  if (options.blackPointCompensation) words.push('-b');
  const child = spawn('transicc', words, { env: { ...process.env, LC_ALL: 'C' } });
  let [out, err] = ['', ''];
  child.stdout.on('data', (text) => {
    out += text;
  });
  child.stderr.on('data', (text) => {
    err += text;
  });
  // It may refuse the profiles before it has read the colours.
  child.stdin.on('error', () => {});
  child.stdin.end(`${colours.flat().join('\n')}\n`);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const values = out.trim().split(/\s+/).map(Number);
  if (code !== 0 || values.length !== colours.length * options.channels || values.some(Number.isNaN)) {
    throw new Error(`transicc ${words.join(' ')} (${code}): ${err}${out.slice(0, 200)}`);
  }
  return colours.map((_, index) => values.slice(index * options.channels, (index + 1) * options.channels));
}
