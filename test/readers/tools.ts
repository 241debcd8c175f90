/** The other readers: commands of other projects, found by `PATH`. */
import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { expect, it } from 'vitest';

export type Tool =
  | 'vips'
  | 'vipsheader'
  | 'tiffinfo'
  | 'tiff2rgba'
  | 'openslide-show-properties'
  | 'openslide-write-png'
  | 'exiftool'
  | 'transicc'
  | 'tificc'
  | 'jpgicc'
  | 'djpeg'
  | 'chromium';

/** The path of a tool; undefined where it is not installed. */
export function findTool(tool: Tool): string | undefined {
  const paths = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, tool));
  return paths.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** A test that needs a tool: without it, it is skipped by a name that says so, and fails where `CI` is set. */
export function itWith(tool: Tool, name: string, test: () => Promise<void>): void {
  if (findTool(tool) !== undefined) {
    it(name, test);
    return;
  }
  it.skipIf(!process.env.CI)(`${name} (skipped: ${tool} is not installed)`, () => {
    expect.fail(`${tool} is not installed`);
  });
}

/** libtiff and libvips tell of every field they have no name for: ours holds the record of the build. */
const OWN_FIELD =
  /^(\(\w+:\d+\): VIPS-WARNING \*\*: .*|TIFFReadDirectory: Warning, )Unknown field with tag 65330 \(0xff32\) encountered\.?$/;

/** That lossless AVIF is RGB and not YCbCr is told in a field older libvips leave to libheif. */
const OTHER_HANDS = /^\(\w+:\d+\): VIPS-WARNING \*\*: .*heifload: ignoring nclx profile$/;

/** libvips, once it has started in this process, says in `VIPSHOME` where it was built: Debian's is to find its own modules. */
function environment(): NodeJS.ProcessEnv {
  const { VIPSHOME: _, ...rest } = process.env;
  return { ...rest, LC_ALL: 'C' };
}

/** The bytes that a tool makes of `input`. Rejects when it fails, and when it complains. */
export function pipe(tool: Tool, input: Uint8Array, ...words: readonly string[]): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      tool,
      words,
      { encoding: 'buffer', maxBuffer: 1 << 26, env: environment() },
      (error, stdout, stderr) => {
        if (error === null && stderr.length === 0) resolve(stdout);
        else reject(error ?? new Error(`${tool} ${words.join(' ')}: ${stderr.toString()}`));
      },
    );
    child.stdin?.end(input);
  });
}

/** Runs a tool to its end. Rejects when it fails, and when it complains of anything but our private field. */
export async function run(tool: Tool, ...words: readonly string[]): Promise<string> {
  const { stdout, stderr } = await new Promise<{ stdout: string; stderr: string }>((resolve, reject) => {
    execFile(tool, words, { maxBuffer: 1 << 26, env: environment() }, (error, stdout, stderr) => {
      if (error === null) resolve({ stdout, stderr });
      else reject(new Error(`${tool} ${words.join(' ')}: ${stderr || error.message}`));
    });
  });
  const complaints = stderr
    .split('\n')
    .filter((line) => line !== '' && !OWN_FIELD.test(line) && !OTHER_HANDS.test(line));
  if (complaints.length > 0) throw new Error(`${tool} ${words.join(' ')}: ${complaints.join('\n')}`);
  return stdout;
}
