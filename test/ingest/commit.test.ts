import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { checkSpace, checkTarget, commit, freeSpace, resolveTarget } from '../../src/ingest/commit.js';
import { forgetSweeps, sweepStale, temporaryBeside } from '../../src/ingest/temporary.js';

/** Lets a test take hard links away, as some file systems do. */
const links = vi.hoisted(() => ({ error: null as string | null }));
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  const link: typeof real.link = async (from, to) => {
    if (links.error !== null) throw Object.assign(new Error('no links'), { code: links.error });
    return real.link(from, to);
  };
  return { ...real, link };
});

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pyramidion-commit-'));
  links.error = null;
  forgetSweeps();
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function temporary(target: string, content: string): Promise<string> {
  const { path } = temporaryBeside(target);
  await writeFile(path, content);
  return path;
}

describe('resolveTarget', () => {
  test('a file is itself; a folder takes a file called after the source', async () => {
    expect(await resolveTarget(join(folder, 'a.tif'), 'photo.jpg')).toBe(join(folder, 'a.tif'));
    expect(await resolveTarget(folder, 'photo.jpg')).toBe(join(folder, 'photo.tif'));
    expect(await resolveTarget(`${join(folder, 'new')}/`, 'photo.v2.jpg')).toBe(join(folder, 'new', 'photo.v2.tif'));
    expect(await resolveTarget(folder, '.hidden')).toBe(join(folder, '.hidden.tif'));
  });

  test.each([['', 'a\0b', 42, null]])('what is no path is INVALID_OPTION: %o', async (target) => {
    await expect(resolveTarget(target as string, 'x')).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      option: 'target',
    });
  });
});

describe('checkTarget', () => {
  test('takes a free name, and one that may be replaced or passed by', async () => {
    const target = join(folder, 'a.tif');
    await checkTarget(target, 'fail');
    await writeFile(target, '');
    await checkTarget(target, 'replace');
    await checkTarget(target, 'suffix');
    await expect(checkTarget(target, 'fail')).rejects.toMatchObject({ code: 'OUTPUT_EXISTS' });
  });

  test('refuses folders that are not there, are files, or have the name', async () => {
    await writeFile(join(folder, 'file'), '');
    await mkdir(join(folder, 'a.tif'));
    for (const name of ['none/a.tif', 'file/a.tif', 'a.tif']) {
      await expect(checkTarget(join(folder, name), 'replace'), name).rejects.toMatchObject({
        code: 'OUTPUT_NOT_WRITABLE',
      });
    }
  });

  test.skipIf(process.getuid?.() === 0)('refuses a folder that may not be written', async () => {
    await chmod(folder, 0o500);
    await expect(checkTarget(join(folder, 'a.tif'), 'suffix')).rejects.toMatchObject({ code: 'OUTPUT_NOT_WRITABLE' });
    await chmod(folder, 0o700);
  });

  test.skipIf(!existsSync('/proc/sys'))('refuses a read-only file system', async () => {
    await expect(checkTarget('/proc/sys/a.tif', 'suffix')).rejects.toMatchObject({ code: 'OUTPUT_NOT_WRITABLE' });
  });
});

describe('checkSpace', () => {
  test('refuses what the disk cannot hold, naming need and free', async () => {
    const target = join(folder, 'a.tif');
    await checkSpace(target, 1000);
    const free = (await freeSpace(target)) ?? 0;
    const error = await checkSpace(target, 2 ** 60).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'DISK_FULL', value: 2 ** 60, limit: expect.any(Number) });
    expect(free).toBeGreaterThan(0);
  });
});

describe.each([
  ['with links', null],
  ['without links', 'EPERM'],
  ['where links are not known', 'ENOTSUP'],
])('commit %s', (_, error) => {
  beforeEach(() => {
    links.error = error;
  });

  test('gives a free name, and leaves no temporary', async () => {
    for (const ifExists of ['fail', 'suffix', 'replace'] as const) {
      const target = join(folder, `${ifExists}.tif`);
      const path = await temporary(target, ifExists);
      expect(await commit(path, target, ifExists)).toBe(target);
      expect(await readFile(target, 'utf8')).toBe(ifExists);
      expect(existsSync(path)).toBe(false);
    }
  });

  test('a name that is taken: fail, next number, replace', async () => {
    const target = join(folder, 'a.b.tif');
    await writeFile(target, 'old');
    const failing = await temporary(target, 'new');
    await expect(commit(failing, target, 'fail')).rejects.toMatchObject({ code: 'OUTPUT_EXISTS' });
    expect(existsSync(failing)).toBe(true);
    expect(await commit(failing, target, 'suffix')).toBe(join(folder, 'a.b-1.tif'));
    expect(await commit(await temporary(target, 'newer'), target, 'suffix')).toBe(join(folder, 'a.b-2.tif'));
    expect(await readFile(target, 'utf8')).toBe('old');
    expect(await commit(await temporary(target, 'newest'), target, 'replace')).toBe(target);
    expect(await readFile(target, 'utf8')).toBe('newest');
    expect(await readFile(join(folder, 'a.b-1.tif'), 'utf8')).toBe('new');
  });

  test('many at once get a name each, and none loses its bytes', async () => {
    const target = join(folder, 'a.tif');
    const paths = await Promise.all(
      Array.from({ length: 25 }, async (_item, index) =>
        commit(await temporary(target, `content ${index}`), target, 'suffix'),
      ),
    );
    expect(new Set(paths).size).toBe(25);
    const contents = await Promise.all(paths.map((path) => readFile(path, 'utf8')));
    expect(new Set(contents)).toEqual(new Set(Array.from({ length: 25 }, (_item, index) => `content ${index}`)));
    expect(await readdir(folder)).toHaveLength(25);
  });

  test('of many that may not give way, one wins', async () => {
    const target = join(folder, 'a.tif');
    const outcomes = await Promise.allSettled(
      Array.from({ length: 10 }, async (_item, index) => commit(await temporary(target, `${index}`), target, 'fail')),
    );
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const outcome of outcomes)
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'OUTPUT_EXISTS' });
  });

  test('a temporary that is gone, or a folder in the way, is OUTPUT_NOT_WRITABLE', async () => {
    for (const ifExists of ['suffix', 'replace'] as const) {
      const target = join(folder, 'gone.tif');
      await expect(commit(join(folder, 'none'), target, ifExists)).rejects.toMatchObject({
        code: 'OUTPUT_NOT_WRITABLE',
      });
      expect(existsSync(target)).toBe(false);
    }
    await mkdir(join(folder, 'd.tif'));
    const path = await temporary(join(folder, 'd.tif'), 'x');
    await expect(commit(path, join(folder, 'd.tif'), 'replace')).rejects.toMatchObject({ code: 'OUTPUT_NOT_WRITABLE' });
  });
});

describe('temporaries', () => {
  test('lie in the folder, are hidden, each its own, and short enough for any name', () => {
    const target = join(folder, `${'ü'.repeat(120)}.tif`);
    const [a, b] = [temporaryBeside(target), temporaryBeside(target)];
    expect(a.path).not.toBe(b.path);
    expect(dirname(a.path)).toBe(folder);
    expect(basename(a.path)).toMatch(/^\.ü+\..*\.pyramidion-part$/);
    expect(Buffer.byteLength(basename(a.path))).toBeLessThan(240);
  });

  test('are removed when they are released, also twice', async () => {
    const made = temporaryBeside(join(folder, 'a.tif'));
    await writeFile(made.path, 'x');
    await made.release();
    await made.release();
    expect(await readdir(folder)).toEqual([]);
  });
});

describe('sweepStale', () => {
  /** The number of a process that has ended. */
  async function deadPid(): Promise<number> {
    const child = spawn(process.execPath, ['-e', '']);
    await new Promise((resolve) => child.on('exit', resolve));
    return child.pid ?? 0;
  }
  /** A temporary as the given process would have named it. */
  async function leftBy(pid: number, rest: { host?: string; ageMs?: number } = {}): Promise<string> {
    const own = basename(temporaryBeside(join(folder, 'a.tif')).path);
    // The first digit of the random part changes too: `own` itself is in use from here on.
    const parts = /^(.*)\.([0-9a-f]{8})-\d+-.(.*)$/.exec(own) ?? [];
    const name = `${parts[1]}.${rest.host ?? parts[2]}-${pid}-${own.includes('-0') ? 1 : 0}${parts[3]}`;
    const path = join(folder, name);
    await writeFile(path, 'x');
    const when = new Date(Date.now() - (rest.ageMs ?? 0));
    await utimes(path, when, when);
    return path;
  }
  const hour = 3600 * 1000;

  test('removes what dead processes left', async () => {
    const pid = await deadPid();
    const left = [await leftBy(pid), await leftBy(pid)];
    expect((await sweepStale(folder)).sort()).toEqual(left.sort());
    expect(await readdir(folder)).toEqual([]);
  });

  test('leaves what is in use here, by another process, or by another machine, for a day', async () => {
    const mine = temporaryBeside(join(folder, 'a.tif'));
    await writeFile(mine.path, 'x');
    const kept = [
      mine.path,
      await leftBy(process.ppid),
      await leftBy(await deadPid(), { host: '00000000', ageMs: 20 * hour }),
    ];
    const old = [await leftBy(await deadPid(), { host: '00000000', ageMs: 25 * hour })];
    await utimes(mine.path, new Date(0), new Date(0));
    expect(await sweepStale(folder)).toEqual(old);
    expect((await readdir(folder)).sort()).toEqual(kept.map((path) => basename(path)).sort());
    await mine.release();
  });

  test('removes what an earlier process of our own number left', async () => {
    const old = await leftBy(process.pid, { ageMs: 20 * hour });
    const fresh = await leftBy(process.pid);
    expect(await sweepStale(folder)).toEqual([old]);
    expect(existsSync(fresh)).toBe(true);
  });

  test('touches nothing else, and follows no link', async () => {
    const pid = await deadPid();
    const stale = await leftBy(pid);
    const victim = join(folder, 'victim.tif');
    await writeFile(victim, 'precious');
    await rm(stale);
    await symlink(victim, stale);
    const place = await leftBy(pid);
    await rm(place);
    await mkdir(place);
    for (const name of ['.a.tif.part', 'a.pyramidion-part', `.a.${pid}.pyramidion-part`])
      await writeFile(join(folder, name), 'x');
    expect(await sweepStale(folder)).toEqual([]);
    expect(await readFile(victim, 'utf8')).toBe('precious');
  });

  test('does not look again at once, and minds no folder that is not there', async () => {
    await sweepStale(folder);
    const left = await leftBy(await deadPid());
    expect(await sweepStale(folder)).toEqual([]);
    expect(await sweepStale(folder, Date.now() + 61_000)).toEqual([left]);
    expect(await sweepStale(join(folder, 'none'))).toEqual([]);
  });

  test("does not tell the machine's name", () => {
    expect(basename(temporaryBeside(join(folder, 'a.tif')).path)).not.toContain(hostname());
  });
});

test('what is written has the rights of any new file', async () => {
  const target = join(folder, 'a.tif');
  await commit(await temporary(target, 'x'), target, 'fail');
  await writeFile(join(folder, 'b.tif'), 'x');
  expect((await stat(target)).mode).toBe((await stat(join(folder, 'b.tif'))).mode);
  expect((await stat(target)).nlink).toBe(1);
});
