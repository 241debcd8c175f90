/** Targets that cannot be written: told before any work where that can be known, and with a code in any case. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { samplePng } from '../../scripts/sample-png.mjs';
import { Engine } from '../../src/engine.js';
import { codeOf, errorOf, expectWhole } from './builds.js';
import { list, newFolder } from './folders.js';
import { writeStripTiff } from './images.js';
import { canMount, isRoot, mountTmpfs, remount, unmount } from './mounts.js';
import { startCli } from './processes.js';

const isLinux = process.platform === 'linux';

let folder: string;
let outputs: string;
let engine: Engine;
let queued: number[];
const source = samplePng(300, 200);

beforeAll(async () => {
  folder = await newFolder();
  writeStripTiff(join(folder, 'large.tif'), { width: 12_000, height: 10_000 });
});
afterAll(() => rm(folder, { recursive: true }));
beforeEach(async () => {
  outputs = await newFolder();
  engine = await Engine.start();
  queued = [];
  engine.on('jobqueue', ({ job }) => queued.push(job));
});
afterEach(async () => {
  expect(engine.snapshot()).toMatchObject({ reserved: 0, running: 0, waiting: 0 });
  await engine.close();
  await rm(outputs, { recursive: true, force: true });
});

describe('refused before anything is queued', () => {
  async function expectRefused(target: string, ifExists: 'suffix' | 'replace' | 'fail' = 'suffix'): Promise<void> {
    const error = await errorOf(engine.build(source, target, { ifExists }));
    expect(error).toMatchObject({ code: 'OUTPUT_NOT_WRITABLE' });
    expect(error?.message).toMatch(/ cannot be written: \S/);
    expect(queued).toEqual([]);
  }

  it('a folder that is not there', async () => {
    await expectRefused(join(outputs, 'missing', 'a.tif'));
    await expectRefused(join(outputs, 'missing/'));
    expect(await list(outputs)).toEqual([]);
  });

  it('a path below a file', async () => {
    await writeFile(join(outputs, 'file'), 'kept');
    await expectRefused(join(outputs, 'file', 'a.tif'));
    await expectRefused(join(outputs, 'file/'));
    expect(await list(outputs)).toEqual(['file']);
  });

  it('the name of a folder', async () => {
    await mkdir(join(outputs, 'bytes.tif'));
    await expectRefused(outputs, 'replace');
    expect(await list(outputs)).toEqual(['bytes.tif']);
  });

  it('a name that is too long', async () => {
    await expectRefused(join(outputs, `${'a'.repeat(300)}.tif`));
    expect(await list(outputs)).toEqual([]);
  });

  it.runIf(isLinux).each(['suffix', 'replace', 'fail'] as const)('a device or a pipe (%s)', async (ifExists) => {
    await symlink('/dev/null', join(outputs, 'device.tif'));
    spawnSync('mkfifo', [join(outputs, 'pipe.tif')]);
    await expectRefused(join(outputs, 'device.tif'), ifExists);
    await expectRefused(join(outputs, 'pipe.tif'), ifExists);
    expect(await list(outputs)).toEqual(['device.tif', 'pipe.tif']);
  });

  it.runIf(canMount)('a file system that is mounted read-only (needs root)', async () => {
    const disk = mountTmpfs('size=1m,ro') ?? expect.fail('no disk');
    try {
      await expectRefused(`${disk}/`);
    } finally {
      unmount(disk);
    }
  });

  it('an immutable folder (needs root and chattr)', async ({ skip }) => {
    if (!isRoot || spawnSync('chattr', ['+i', outputs]).status !== 0) skip();
    try {
      await expectRefused(`${outputs}/`);
    } finally {
      spawnSync('chattr', ['-i', outputs]);
    }
    expect(await list(outputs)).toEqual([]);
  });
});

describe.runIf(isLinux)('a file system that takes no files', () => {
  it.each(['/proc/a.tif', '/proc/self/a.tif', '/sys/a.tif', '/dev/null/a.tif'])('%s', async (target) => {
    expect(await codeOf(engine.build(source, target))).toBe('OUTPUT_NOT_WRITABLE');
  });
});

describe('found out later', () => {
  const slow = { compression: 'webp', effort: 6 } as const;

  it('the folder is removed in the middle of a build', async () => {
    const build = codeOf(engine.build(join(folder, 'large.tif'), `${outputs}/`));
    await once(engine, 'jobprogress');
    await rm(outputs, { recursive: true });
    expect(await build).toBe('OUTPUT_NOT_WRITABLE');
  });

  it('the folder gets another name in the middle of a build', async () => {
    const build = codeOf(engine.build(join(folder, 'large.tif'), `${outputs}/`));
    await once(engine, 'jobprogress');
    await rename(outputs, `${outputs}-moved`);
    expect(await build).toBe('OUTPUT_NOT_WRITABLE');
    // The temporary went with it, where the next build finds it when this process is gone; no final name is there.
    expect((await list(`${outputs}-moved`)).filter((name) => name === 'large.tif')).toEqual([]);
    await rm(`${outputs}-moved`, { recursive: true });
  });

  it('a folder takes the name in the middle of a build', async () => {
    const target = join(outputs, 'a.tif');
    const build = codeOf(engine.build(join(folder, 'large.tif'), target, { ifExists: 'replace' }));
    await once(engine, 'jobprogress');
    await mkdir(target);
    expect(await build).toBe('OUTPUT_NOT_WRITABLE');
    expect(await list(outputs)).toEqual(['a.tif']);
  });

  it.runIf(canMount)('the disk becomes read-only while builds wait (needs root)', async () => {
    const disk = mountTmpfs('size=50m') ?? expect.fail('no disk');
    const abort = new AbortController();
    try {
      const slots = Array.from({ length: engine.snapshot().slots }, () =>
        codeOf(engine.build(join(folder, 'large.tif'), `${outputs}/`, { ...slow, signal: abort.signal })),
      );
      while (engine.snapshot().running < slots.length) await once(engine, 'jobstart');
      const waiting = codeOf(engine.build(source, `${disk}/`));
      while (engine.snapshot().waiting < 1) await once(engine, 'jobqueue');
      remount(disk, 'ro');
      abort.abort();
      expect(await waiting).toBe('OUTPUT_NOT_WRITABLE');
      expect(await Promise.all(slots)).toEqual(slots.map(() => 'ABORTED'));
      await expect.poll(() => engine.snapshot().running).toBe(0);
    } finally {
      unmount(disk);
    }
  });
});

describe.runIf(isLinux && isRoot)('another user than root (needs root to become it)', () => {
  const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];

  it('may not write the folder, or not read the source', async ({ skip }) => {
    if (spawnSync(asNobody[0] ?? '', [...asNobody.slice(1), process.execPath, '--version']).status !== 0) skip();
    const image = join(folder, 'sample.png');
    await writeFile(image, source);
    await chmod(folder, 0o755);
    await chmod(outputs, 0o755);
    const refused = await startCli(['build', image, `${outputs}/`], asNobody).ended;
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.stderr).toContain('sample.png: OUTPUT_NOT_WRITABLE: ');
    await chmod(outputs, 0o777);
    await chmod(image, 0o600);
    const unread = await startCli(['build', image, `${outputs}/`], asNobody).ended;
    expect(unread).toMatchObject({ code: 1 });
    expect(unread.stderr).toContain('sample.png: SOURCE_UNREADABLE: ');
    expect(await list(outputs)).toEqual([]);
    await chmod(image, 0o644);
    expect(await startCli(['build', image, `${outputs}/`], asNobody).ended).toMatchObject({ code: 0, stderr: '' });
    await expectWhole(engine, join(outputs, 'sample.tif'));
  });
});
