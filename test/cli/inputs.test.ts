import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { UsageError } from '../../src/cli/context.js';
import { type PlanOptions, planBuild } from '../../src/cli/inputs.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pyramidion-test-'));
  await mkdir(join(folder, 'in', 'below', 'deep'), { recursive: true });
  for (const name of ['b.png', 'a.jpg', 'a.png', '.hidden.jpg', 'below/c.jpg', 'below/deep/a.jpg']) {
    await writeFile(join(folder, 'in', name), '');
  }
});
afterEach(() => rm(folder, { recursive: true }));

/** Sources and targets relative to the test's folder. */
async function plan(inputs: readonly string[], output: string, options: PlanOptions = {}) {
  const { items, intoFolder } = await planBuild(
    inputs.map((input) => join(folder, input)),
    join(folder, output) + (output.endsWith('/') ? '/' : ''),
    options,
  );
  const short = (path: string) => path.replace(`${folder}/`, '').replaceAll('//', '/');
  return { items: items.map(({ source, target }) => `${short(source)} > ${short(target)}`), intoFolder };
}

describe('planBuild', () => {
  test('a file to a file', async () => {
    expect(await plan(['in/a.jpg'], 'x.tif')).toEqual({ items: ['in/a.jpg > x.tif'], intoFolder: false });
  });

  test('a file to a folder, there or named as one', async () => {
    expect(await plan(['in/a.jpg'], 'in')).toEqual({ items: ['in/a.jpg > in/a.tif'], intoFolder: true });
    expect(await plan(['in/a.jpg'], 'new/')).toEqual({ items: ['in/a.jpg > new/a.tif'], intoFolder: true });
  });

  test('files of one name get a number, in the order they are given', async () => {
    expect((await plan(['in/a.png', 'in/a.jpg', 'in/b.png'], 'out/')).items).toEqual([
      'in/a.png > out/a.tif',
      'in/a.jpg > out/a-1.tif',
      'in/b.png > out/b.tif',
    ]);
  });

  test('a folder: its files by name, hidden ones too unless they are to be skipped', async () => {
    expect((await plan(['in'], 'out')).items).toEqual([
      'in/.hidden.jpg > out/.hidden.tif',
      'in/a.jpg > out/a.tif',
      'in/a.png > out/a-1.tif',
      'in/b.png > out/b.tif',
    ]);
    expect((await plan(['in'], 'out', { skipHidden: true })).items).toHaveLength(3);
  });

  test('a folder with those below it, the tree kept', async () => {
    expect((await plan(['in'], 'out', { recursive: true, skipHidden: true })).items).toEqual([
      'in/a.jpg > out/a.tif',
      'in/a.png > out/a-1.tif',
      'in/b.png > out/b.tif',
      'in/below/c.jpg > out/below/c.tif',
      'in/below/deep/a.jpg > out/below/deep/a.tif',
    ]);
  });

  test('the output folder below the input is not gone into', async () => {
    const items = (await plan(['in'], 'in/below/', { recursive: true })).items;
    expect(items.every((item) => !item.startsWith('in/below'))).toBe(true);
  });

  test('links lead to files, but not into folders', async () => {
    await symlink(join(folder, 'in'), join(folder, 'in', 'below', 'loop'));
    await symlink(join(folder, 'in', 'a.jpg'), join(folder, 'in', 'below', 'link.jpg'));
    await symlink(join(folder, 'nowhere'), join(folder, 'in', 'below', 'dangling.jpg'));
    expect((await plan(['in/below'], 'out', { recursive: true })).items.map((item) => item.split(' ')[0])).toEqual([
      'in/below/c.jpg',
      'in/below/deep/a.jpg',
      'in/below/link.jpg',
    ]);
  });

  test('what a build leaves behind when it is killed is no input', async () => {
    await writeFile(join(folder, 'in', '.a.tif.0123abcd-7-0123456789abcdef.pyramidion-part'), '');
    expect((await plan(['in'], 'out')).items).toHaveLength(4);
  });

  test('a file that is not there is planned, so that it can be named as a failure', async () => {
    expect((await plan(['none.jpg'], 'x.tif')).items).toEqual(['none.jpg > x.tif']);
  });

  test('several files do not go into one', async () => {
    await expect(plan(['in/a.jpg', 'in/b.png'], 'in/a.png')).rejects.toThrow(UsageError);
    await expect(plan(['in/a.jpg', 'in/b.png'], 'out.tif')).rejects.toThrow('write');
    await expect(plan(['in'], 'out.tif')).rejects.toThrow(UsageError);
    expect((await plan(['in/a.jpg', 'in/b.png'], 'out')).intoFolder).toBe(true);
  });
});
