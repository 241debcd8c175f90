import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { CliContext } from '../../src/cli/context.js';
import { type ProfilesFlags, runProfiles } from '../../src/cli/profiles.js';
import { tableProfile } from '../colour/profiles.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pyramidion-test-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function run(flags: ProfilesFlags) {
  const [out, err]: [string[], string[]] = [[], []];
  const context: CliContext = {
    stdout: { write: (text: string | Uint8Array) => out.push(String(text)) },
    stderr: { write: (text: string | Uint8Array) => err.push(String(text)) },
    signal: new AbortController().signal,
    startEngine: () => Promise.reject(new Error('no engine is needed')),
  };
  const code = await runProfiles(flags, context);
  return { code, out: out.join(''), err: err.join('') };
}

test('without folders: what is generated, and what to install', async () => {
  const { code, out, err } = await run({});
  expect([code, err]).toEqual([0, '']);
  const lines = out.trimEnd().split('\n');
  expect(lines[0]).toMatch(/^name +space +from +use +description$/);
  expect(out).toMatch(/^sRGB +rgb +generated +both +sRGB IEC61966-2\.1$/m);
  expect(out).toMatch(/^WebCoated +cmyk +missing +U\.S\. Web Coated \(SWOP\) v2: install USWebCoatedSWOP\.icc$/m);
  expect(lines.at(-1)).toBe('13 of 35 named profiles, 22 missing, 0 other');
});

test('from where, what for, and what was refused', async () => {
  const free = join(folder, 'free');
  await mkdir(free);
  await writeFile(join(folder, 'USWebCoatedSWOP.icc'), tableProfile({ description: 'SWOP' }));
  await writeFile(join(folder, 'house.icc'), tableProfile({ description: 'House', deviceClass: 'scnr', write: [] }));
  await writeFile(join(folder, 'bad\u001b.icc'), 'no profile');
  await writeFile(join(free, 'FOGRA39L_coated.icc'), tableProfile({ description: 'FOGRA39L' }));
  const flags = { folder: [folder], standIns: [free] };
  const { code, out, err } = await run(flags);
  expect(code).toBe(1);
  expect(err).toBe(
    `pyramidion: PROFILE_INVALID: ${folder}/bad\ufffd.icc: the ICC profile cannot be used: it has 10 bytes, less than a header\n`,
  );
  expect(out).toContain(`both        SWOP (${folder}/USWebCoatedSWOP.icc)`);
  expect(out).toMatch(/^CoatedFogra39 +cmyk +stand-in +both +FOGRA39L \(stands in for Coated FOGRA39/m);
  expect(out).toMatch(/^house\.icc +cmyk +folder +input only +House/m);

  const json: unknown = JSON.parse((await run({ ...flags, json: true })).out);
  expect(json).toMatchObject({
    named: expect.arrayContaining([
      expect.objectContaining({ identifier: 'WebCoated', from: 'folder', description: 'SWOP', class: 'prtr' }),
      expect.objectContaining({ identifier: 'CoatedFogra39', from: 'stand-in' }),
      expect.objectContaining({ identifier: 'sRGB', from: 'generated', path: null, version: '2.1' }),
      {
        identifier: 'WebUncoated',
        commonName: 'U.S. Web Uncoated v2',
        fileName: 'USWebUncoated.icc',
        space: 'cmyk',
        from: null,
      },
    ]),
    others: expect.arrayContaining([expect.objectContaining({ name: 'house.icc', output: null })]),
    refused: [{ code: 'PROFILE_INVALID', path: join(folder, 'bad\u001b.icc'), keepsEarlier: false }],
  });
});

test('a folder that is not there is named, and the rest is shown', async () => {
  const { code, out, err } = await run({ folder: [join(folder, 'none')] });
  expect(code).toBe(1);
  expect(err).toContain('SOURCE_NOT_FOUND');
  expect(out).toContain('sRGB');
});
