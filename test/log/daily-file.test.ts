import { mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { DailyFile, type DailyFileOptions } from '../../src/log/daily-file.js';
import { useFolder } from './entry.js';

const folder = useFolder();
const at = (day: number, hour = 12, minute = 0) => new Date(2026, 2, day, hour, minute).getTime();

/** A log, what it warned of, and a clock that stands at the 10th of March. */
async function open(options: Partial<DailyFileOptions> = {}) {
  const warnings: string[] = [];
  const onWarning = (message: string): void => {
    warnings.push(message);
  };
  const file = await DailyFile.open({
    ...{ folder: join(folder(), 'logs'), prefix: 'access-', maxDays: 3, onWarning, now: () => at(10), delayMs: 1e9 },
    ...options,
  });
  return { file, warnings };
}

const read = (name: string) => readFile(join(folder(), 'logs', name), 'utf8');
const names = async () => (await readdir(join(folder(), 'logs'))).sort();

/** A disk that takes nothing until it is told. */
function slowDisk() {
  const written: string[] = [];
  const waiting: { readonly bytes: Uint8Array; readonly end: () => void }[] = [];
  return {
    written,
    waiting,
    append: (_: string, bytes: Uint8Array) =>
      new Promise<void>((resolve) => {
        const end = (): void => {
          written.push(Buffer.from(bytes).toString());
          resolve();
        };
        // The opening tries to append nothing.
        if (bytes.length === 0) resolve();
        else waiting.push({ bytes, end });
      }),
  };
}

describe('days', () => {
  test('a line goes to the file of its day, and those after midnight to the next', async () => {
    const { file, warnings } = await open();
    expect(await names()).toEqual(['access-2026-03-10.log']);
    file.write('a\n', at(10));
    file.write('b\n', at(11, 0) - 1);
    file.write('c\n', at(11, 0));
    // It began before midnight, and ended after one that did not.
    file.write('d\n', at(11, 0) - 5000);
    await file.flush();
    expect(await read('access-2026-03-10.log')).toBe('a\nb\n');
    expect(await read('access-2026-03-11.log')).toBe('c\nd\n');
    // A clock that was wrong does not hold the log on a day to come.
    file.write('e\n', at(10));
    await file.close();
    expect(await read('access-2026-03-10.log')).toBe('a\nb\ne\n');
    expect(warnings).toEqual([]);
  });

  test('days are as long as they are where clocks are changed', async () => {
    const zone = process.env.TZ;
    process.env.TZ = 'Europe/Berlin';
    try {
      const { file } = await open({ now: () => at(29, 1) });
      file.write('a\n', at(29, 23, 59));
      file.write('b\n', at(30, 0));
      await file.close();
      expect(at(30, 0) - at(29, 0)).toBe(23 * 3_600_000);
      expect(await read('access-2026-03-29.log')).toBe('a\n');
      expect(await read('access-2026-03-30.log')).toBe('b\n');
    } finally {
      if (zone === undefined) delete process.env.TZ;
      else process.env.TZ = zone;
    }
  });

  test('files of more than maxDays ago are removed, at the opening and at midnight; others stay', async () => {
    const logs = join(folder(), 'logs');
    await mkdir(join(logs, 'access-2026-01-01.log'), { recursive: true });
    const others = [
      'access-2026-1-1.log',
      'access-2026-01-01.log.gz',
      'Access-2026-01-01.log',
      'x-access-2026-01-01.log',
    ];
    const old = ['access-2025-12-31.log', 'access-2026-03-06.log'];
    const recent = ['access-2026-03-07.log', 'access-2026-03-08.log', 'access-2026-03-09.log'];
    for (const name of [...others, ...old, ...recent]) await writeFile(join(logs, name), 'x\n');
    await writeFile(join(folder(), 'target'), 'x');
    await symlink(join(folder(), 'target'), join(logs, 'access-2026-01-02.log'));
    const kept = [...others, 'access-2026-01-01.log', 'access-2026-01-02.log'];

    const { file, warnings } = await open();
    expect(await names()).toEqual([...kept, ...recent, 'access-2026-03-10.log'].sort());
    file.write('a\n', at(12));
    await file.close();
    expect(await names()).toEqual(
      [...kept, 'access-2026-03-09.log', 'access-2026-03-10.log', 'access-2026-03-12.log'].sort(),
    );
    expect(warnings).toEqual([]);
  });
});

describe('batches', () => {
  test('are appended to what is there, of several writers too, and never cut a line', async () => {
    const [one, two] = await Promise.all([open(), open()]);
    const line = (name: string, number: number) => `${name} ${number} ${'x'.repeat(number % 300)}\n`;
    for (let n = 0; n < 2000; n++) {
      one.file.write(line('one', n), at(10));
      two.file.write(line('zwö', n), at(10));
    }
    await Promise.all([one.file.close(), two.file.close()]);
    const lines = (await read('access-2026-03-10.log')).split('\n');
    for (const name of ['one', 'zwö']) {
      const own = lines.filter((text) => text.startsWith(name));
      const all = Array.from({ length: 2000 }, (_, n) => line(name, n).slice(0, -1));
      expect(own.join('|') === all.join('|')).toBe(true);
    }
    expect(lines).toHaveLength(4001);
  });

  test('are written when their time is over', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const disk = slowDisk();
      const { file } = await open({ append: disk.append, delayMs: undefined });
      file.write('a\n', at(10));
      file.write('b\n', at(10));
      await vi.advanceTimersByTimeAsync(999);
      expect(disk.waiting).toHaveLength(0);
      await vi.advanceTimersByTimeAsync(1);
      expect(disk.waiting.map(({ bytes }) => Buffer.from(bytes).toString())).toEqual(['a\nb\n']);
      disk.waiting[0]?.end();
      await file.close();
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  test('find their folder again when it was removed', async () => {
    const { file, warnings } = await open();
    await rm(join(folder(), 'logs'), { recursive: true });
    file.write('a\n', at(10));
    await file.close();
    expect(await read('access-2026-03-10.log')).toBe('a\n');
    expect(warnings).toEqual([]);
  });
});

describe('lost lines', () => {
  test('what waits for a slow disk is bounded; the rest is counted and told of once', async () => {
    const disk = slowDisk();
    const maxBacklogBytes = 200_000;
    const { file, warnings } = await open({ append: disk.append, maxBacklogBytes });
    const line = `${'x'.repeat(999)}\n`;
    for (let n = 0; n < 1000; n++) file.write(line, at(10));
    expect(file.lost).toBe(800);
    expect(warnings).toEqual(['lines of the log access-2026-03-10.log are lost: the disk is too slow']);

    const closed = file.flush();
    while (disk.written.join('').length < maxBacklogBytes) {
      await vi.waitFor(() => expect(disk.waiting.length).toBeGreaterThan(0));
      disk.waiting.shift()?.end();
      await Promise.resolve();
    }
    await closed;
    expect(disk.written.join('')).toBe(line.repeat(200));
    // There is room again.
    file.write(line, at(10));
    expect(file.lost).toBe(800);
    const again = file.close();
    await vi.waitFor(() => expect(disk.waiting).toHaveLength(1));
    disk.waiting.shift()?.end();
    await again;
    expect(disk.written.join('')).toBe(line.repeat(201));
    file.write(line, at(10));
    expect(file.lost).toBe(801);
    expect(warnings).toHaveLength(1);
  });

  test('a disk that fails loses its batch, is told of once, and is tried again', async () => {
    let fails = true;
    const written: string[] = [];
    const append = async (_: string, bytes: Uint8Array): Promise<void> => {
      if (fails && bytes.length > 0) throw new Error('no space');
      written.push(Buffer.from(bytes).toString());
    };
    const { file, warnings } = await open({ append });
    for (const line of ['a\n', 'b\n']) {
      file.write(line, at(10));
      file.write(line, at(10));
      await file.flush();
    }
    expect(file.lost).toBe(4);
    expect(warnings).toEqual(['lines of the log access-2026-03-10.log are lost: it cannot be written']);
    fails = false;
    file.write('c\n', at(10));
    await file.flush();
    expect(written.join('')).toBe('c\n');
    fails = true;
    file.write('d\n', at(10));
    await file.flush();
    expect(warnings).toHaveLength(2);
    await file.close();
  });
});

test('a folder that cannot be made, and a prefix that is a path, are refused', async () => {
  await writeFile(join(folder(), 'file'), '');
  await expect(open({ folder: join(folder(), 'file', 'logs') })).rejects.toMatchObject({ code: 'OUTPUT_NOT_WRITABLE' });
  for (const prefix of ['../x', 'a\\b', 'a\0']) {
    await expect(open({ prefix })).rejects.toMatchObject({ code: 'INVALID_OPTION', option: 'prefix' });
  }
});
