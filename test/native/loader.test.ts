import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { basePackage } from '../../scripts/base.mjs';
import { loadNative } from '../../src/native/index.js';

const detectLibc = dirname(createRequire(import.meta.url).resolve('detect-libc/package.json'));
let root: string;

/** A package root that holds the loader and what it imports, and no more. */
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'pyramidion-loader-'));
  mkdirSync(join(root, 'src/native'), { recursive: true });
  cpSync('src/native/index.js', join(root, 'src/native/index.js'));
  writeFileSync(join(root, 'package.json'), '{ "type": "module" }');
  mkdirSync(join(root, 'node_modules/@img'), { recursive: true });
  symlinkSync(detectLibc, join(root, 'node_modules/detect-libc'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Puts a base package of this version, with nothing in it, beside the loader. */
function installBase(version: string): void {
  const folder = join(root, 'node_modules', basePackage);
  mkdirSync(folder);
  const exports = { './package': './package.json' };
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: basePackage, version, exports }));
}

/** Loads the addon with that loader. */
async function load(): Promise<unknown> {
  const loader = (await import(pathToFileURL(join(root, 'src/native/index.js')).href)) as { loadNative(): unknown };
  return loader.loadNative();
}

describe('the loader', () => {
  it('yields one addon', () => {
    expect(loadNative()).toBe(loadNative());
    expect(Object.keys(loadNative()).sort()).toEqual(['build', 'capabilities', 'probe', 'render', 'verify']);
  });

  it('names the base package that is not installed, and the command that installs it', async () => {
    await expect(load()).rejects.toMatchObject({
      code: 'NATIVE_MISSING',
      message: expect.stringMatching(new RegExp(`${basePackage} is not installed; mend it with: npm install `)),
    });
  });

  it.each(['1.3.2', '1.2.10', '0.9.9'])('refuses base %s', async (version) => {
    installBase(version);
    await expect(load()).rejects.toMatchObject({
      code: 'NATIVE_TOO_OLD',
      message: expect.stringContaining(`is ${version}, and 1.3.3 is the oldest safe one; mend it with: npm install `),
    });
  });

  it.each(['1.3.3', '1.3.10', '1.10.0', '2.0.0'])('takes base %s and then misses the addon', async (version) => {
    installBase(version);
    await expect(load()).rejects.toMatchObject({
      code: 'NATIVE_MISSING',
      message: 'the native addon has not been built; mend it with: npm rebuild pyramidion',
    });
  });

  it('says so when the addon does not load, with the reason in the detail', async () => {
    installBase('1.3.4');
    mkdirSync(join(root, 'native/build/Release'), { recursive: true });
    writeFileSync(join(root, 'native/build/Release/pyramidion.node'), 'no shared library');
    await expect(load()).rejects.toMatchObject({
      code: 'NATIVE_MISSING',
      message: expect.stringContaining('does not load here; mend it with: npm rebuild pyramidion'),
      detail: expect.stringContaining('pyramidion.node'),
    });
  });
});
