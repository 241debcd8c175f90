import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { PyramidionError } from '../../src/errors.js';
import { ServerLog, type ServerLogOptions } from '../../src/log/server-log.js';
import type { ServerStats } from '../../src/log/stats.js';
import { NOON, useFolder } from './entry.js';

const folder = useFolder();
const HEAD = '2026-03-04 12:34:56.789';

async function open(options: Partial<ServerLogOptions> = {}) {
  const lines: string[] = [];
  const stream = { write: (text: string) => lines.push(text) };
  const log = await ServerLog.open({ folder: null, port: 8080, stream, now: () => NOON, ...options });
  return { log, lines };
}

describe('text', () => {
  test('is date, time, level, thread, message and facts', async () => {
    const { log, lines } = await open({ traceLevel: 4 });
    log.trace(1, 'listens', { host: '127.0.0.1', port: 8080 });
    log.trace(2, 'opened', { file: '/a b/c.tif', size: null, isNew: true, none: '', quoted: 'a"b', hyphen: '-' });
    log.trace(3, 'request');
    log.trace(4, 'message');
    log.warn('slow');
    log.error('failed', new PyramidionError('DISK_FULL', 'no room', { detail: 'x=1', cause: new Error('ENOSPC') }), {
      n: 1,
    });
    expect(lines).toEqual([
      `${HEAD} INFO ${process.pid} listens host=127.0.0.1 port=8080\n`,
      `${HEAD} INFO ${process.pid} opened file="/a b/c.tif" size=- isNew=true none="" quoted="a\\"b" hyphen="-"\n`,
      `${HEAD} DEBUG ${process.pid} request\n`,
      `${HEAD} TRACE ${process.pid} message\n`,
      `${HEAD} WARN ${process.pid} slow\n`,
      `${HEAD} ERROR ${process.pid} failed code=DISK_FULL error="no room" detail="x=1" cause=ENOSPC n=1\n`,
    ]);
  });

  test('has a stack where an error has no code, or shows a defect', async () => {
    const { log, lines } = await open();
    log.error('failed', new TypeError('x is not a function'));
    log.error('failed', new PyramidionError('INTERNAL', 'odd'));
    log.error('failed', 'thrown');
    expect(lines[0]).toMatch(/error="x is not a function" stack="TypeError: .*server-log\.test/);
    expect(lines[1]).toMatch(/code=INTERNAL error=odd stack=".*server-log\.test/);
    expect(lines[2]).toContain(' failed error=thrown\n');
  });

  test('nothing ends a line before its time', async () => {
    const { log, lines } = await open();
    log.warn('a\nb\r\u2028\u001b[31m', new Error('c\nd'), { e: 'f\ng\u0085' });
    expect(lines).toHaveLength(1);
    expect(lines[0]?.slice(0, -1)).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
    expect(lines[0]).toContain('a\\u000ab\\u000d\\u2028\\u001b[31m');
  });
});

test.each([1, 2, 3, 4] as const)('trace level %i tells that and what is below', async (traceLevel) => {
  const { log, lines } = await open({ traceLevel });
  for (const level of [1, 2, 3, 4] as const) {
    expect(log.traces(level)).toBe(level <= traceLevel);
    log.trace(level, `level ${level}`);
  }
  log.warn('warning');
  log.error('error');
  expect(lines.map((line) => line.trim().split(' ').at(-1))).toEqual([
    ...['1', '2', '3', '4'].slice(0, traceLevel),
    'warning',
    'error',
  ]);
});

test('JSON has one object a line', async () => {
  const { log, lines } = await open({ format: 'json', traceLevel: 4 });
  log.trace(1, 'a\nb', { port: 8080, none: null });
  log.trace(3, 'request');
  log.error('failed', new PyramidionError('DISK_FULL', 'no room'));
  const time = new Date(NOON).toISOString();
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    { level: 'info', time, pid: process.pid, port: 8080, none: null, msg: 'a\nb' },
    { level: 'debug', time, pid: process.pid, msg: 'request' },
    { level: 'error', time, pid: process.pid, code: 'DISK_FULL', error: 'no room', msg: 'failed' },
  ]);
  expect(lines.every((line) => line.indexOf('\n') === line.length - 1)).toBe(true);
});

test('with a folder, records go to a file for each day', async () => {
  let now = NOON;
  const { log, lines } = await open({ folder: folder(), maxDays: 1, now: () => now });
  await writeFile(join(folder(), 'ImageServer-8080-2026-03-01.log'), '');
  await writeFile(join(folder(), 'ImageServer-8081-2026-03-01.log'), '');
  log.trace(1, 'one');
  now += 86_400_000;
  log.trace(1, 'two');
  await log.close();
  expect((await readdir(folder())).sort()).toEqual([
    'ImageServer-8080-2026-03-04.log',
    'ImageServer-8080-2026-03-05.log',
    'ImageServer-8081-2026-03-01.log',
  ]);
  expect(await readFile(join(folder(), 'ImageServer-8080-2026-03-05.log'), 'utf8')).toBe(
    `2026-03-05 12:34:56.789 INFO ${process.pid} two\n`,
  );
  expect(lines).toEqual([]);
  expect(log.lost).toBe(0);
});

describe('statistics', () => {
  const uses = { REUSED: 0, VALIDATED: 0, CREATED: 0, UPDATED: 0, IGNORED: 0, UNDEFINED: 0 };
  const buckets = (counts: Readonly<Record<number, number>>) => Array.from({ length: 18 }, (_, n) => counts[n] ?? 0);
  const full: ServerStats = {
    residentBytes: 1000,
    budget: { limit: 500, reserved: 100, slots: 2, running: 1, waiting: 0 },
    renders: { running: 3, waiting: 4, slots: 5, refused: 6 },
    cache: {
      uses: { ...uses, REUSED: 2, CREATED: 2, IGNORED: 9 },
      joined: 0,
      memory: { entries: 0, bytes: 0 },
      disk: { entries: 0, bytes: 0 },
      evicted: 0,
      damaged: 0,
      skipped: 0,
      inFlight: 0,
    },
    sources: { open: 7, levelReads: 8, tileReads: 9, bytesRead: 10 },
    inFlight: 11,
    rejections: 12,
    lostLines: 13,
    // 10 of 5 to 10 ms.
    stages: new Map([['render', { count: 10, sumMs: 80, buckets: buckets({ 6: 10 }) }]]),
  };
  const later: ServerStats = {
    ...full,
    ...(full.cache ? { cache: { ...full.cache, uses: { ...uses, REUSED: 4, VALIDATED: 1, CREATED: 3 } } } : {}),
    sources: { open: 1, levelReads: 9, tileReads: 19, bytesRead: 110 },
    rejections: 20,
    // 10 of 50 to 100 ms came to it.
    stages: new Map([['render', { count: 20, sumMs: 880, buckets: buckets({ 6: 10, 9: 10 }) }]]),
  };

  test('come at each interval until the log is closed: counts since the last record, the rest as it stands', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    try {
      const { log, lines } = await open({ traceLevel: 1 });
      const snapshots = [full, later];
      log.startStats(() => snapshots.shift() ?? {}, 600);
      vi.advanceTimersByTime(599_999);
      expect(lines).toEqual([]);
      vi.advanceTimersByTime(1);
      vi.advanceTimersByTime(600_000);
      expect(lines).toEqual([
        `${HEAD} STATS ${process.pid} STATS residentBytes=1000 memoryUsedBytes=100 memoryLimitBytes=500 openSources=7 ` +
          'levelReads=8 tileReads=9 bytesRead=10 cacheHitRatio=0.5 inFlight=11 queueLength=4 activeWorkers=3 ' +
          'rejections=12 lostLines=13 renders=10 renderMeanMs=8 renderP95Ms=9.75\n',
        `${HEAD} STATS ${process.pid} STATS residentBytes=1000 memoryUsedBytes=100 memoryLimitBytes=500 openSources=1 ` +
          'levelReads=1 tileReads=10 bytesRead=100 cacheHitRatio=0.75 inFlight=11 queueLength=4 activeWorkers=3 ' +
          'rejections=8 lostLines=0 renders=10 renderMeanMs=80 renderP95Ms=97.5\n',
      ]);
      vi.advanceTimersByTime(600_000);
      // What is not known is a hyphen, but for the memory, which each process knows.
      expect(lines[2]).toMatch(
        /STATS residentBytes=\d{6,} memoryUsedBytes=- memoryLimitBytes=- openSources=- .* renders=-\n$/,
      );
      await log.close();
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });
});
