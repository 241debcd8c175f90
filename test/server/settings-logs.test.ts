/** The settings of `Log` and `Alerts`, changed from their defaults, and what is seen of it. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { qualifiedName, ROWS } from '../../src/config/settings.js';
import { HeldSource } from './held-source.js';
import { askHeld, exists, image, linesOfLog, type Row, readLog, testSettings } from './settings.js';
import { type Document, usePlace, write } from './start.js';

const place = usePlace();
let source: HeldSource;
beforeAll(async () => {
  source = await HeldSource.start({ '/photo.tif': await readFile(join(place.images, 'photo.tif')) });
});
afterAll(() => source.close());

const remote = (): Document => ({ Server: { roots: [source.url] } });
const PHOTO = image('photo?wid=100');

const LOG_ROWS: readonly Row[] = [
  {
    setting: 'Log.folder',
    value: 'elsewhere',
    isAlone: true,
    request: '/is/image; folders that have an access log',
    look: async ({ server }) => {
      await server.ask('/is/image');
      await server.close();
      const found = await Promise.all(
        ['logs', 'elsewhere'].map(async (name) =>
          (await readLog(join(server.folder, name), 'access-')) !== '' ? name : '',
        ),
      );
      return found.join('');
    },
    byDefault: 'logs',
    seen: 'elsewhere',
  },
  {
    setting: 'Log.maxDays',
    value: 1,
    prepare: (folder) => write(join(folder, 'logs', `access-${dayBefore(3)}.log`), 'old\n'),
    request: 'the access log of three days ago',
    look: async ({ server }) =>
      (await exists(join(server.folder, 'logs', `access-${dayBefore(3)}.log`))) ? 'is there' : 'is gone',
    byDefault: 'is there',
    seen: 'is gone',
  },
  {
    setting: 'Log.prefix',
    value: 's7access-',
    request: '/is/image; logs of requests',
    isAlone: true,
    look: async ({ server }) => {
      const names = await readdir(join(server.folder, 'logs'));
      return names
        .filter((name) => !name.startsWith('ImageServer'))
        .join()
        .replace(/\d{4}-\d\d-\d\d/, 'yyyy-mm-dd');
    },
    byDefault: 'access-yyyy-mm-dd.log',
    seen: 's7access-yyyy-mm-dd.log',
  },
  {
    setting: 'Log.pattern',
    value: '%s %{CacheUse}r "%{User-Agent}i" %{ETag}o %A',
    request: '/is/image/photo?wid=100, twice; lines of the access log',
    isAlone: true,
    look: async ({ server }) => {
      const { headers } = await server.ask(PHOTO, { headers: { 'user-agent': 'a test' } });
      await server.ask(PHOTO, { headers: { 'user-agent': 'a test' } });
      const lines = await linesOfLog(server, 'access-');
      return lines
        .map((line) => (line.split(' ').length === 34 ? '34 columns' : line.replace(String(headers.etag), 'its tag')))
        .join('; ');
    },
    byDefault: '34 columns; 34 columns',
    seen: '200 CREATED "a%20test" its tag 127.0.0.1; 200 REUSED "a%20test" its tag 127.0.0.1',
  },
  {
    setting: 'Log.serverLog',
    value: 'json',
    isAlone: true,
    request: 'the first record of the server log',
    look: async ({ server }) => {
      const [line = ''] = await linesOfLog(server, 'ImageServer-');
      if (!line.startsWith('{')) return line.replace(/^\S+ \S+ (\w+) \d+ (\w+).*$/, '$1 $2');
      const { level, msg, pid } = JSON.parse(line) as { level: string; msg: string; pid: number };
      return JSON.stringify({ level, msg, isOurs: pid === process.pid });
    },
    byDefault: 'INFO started',
    seen: '{"level":"info","msg":"started","isOurs":true}',
  },
  {
    setting: 'Log.traceLevel',
    value: 3,
    isAlone: true,
    request: '/is/image/photo?wid=100; records of requests in the server log',
    look: async ({ server }) => {
      await server.ask(PHOTO);
      const lines = await linesOfLog(server, 'ImageServer-');
      return (
        lines
          .filter((line) => line.includes(' request '))
          .map((line) => line.replace(/^.* request/, '').replace(/ sentBytes.* cacheUse/, ' … cacheUse'))
          .join() || 'none'
      );
    },
    byDefault: 'none',
    seen: ' method=GET url="/is/image/photo?wid=100" status=200 … cacheUse=CREATED',
  },
  {
    setting: 'Log.statsIntervalSeconds',
    value: 5,
    hasFakeIntervals: true,
    request: '/is/image/photo?wid=100; records of statistics after five seconds',
    look: async ({ server }) => {
      await server.ask(PHOTO);
      vi.advanceTimersByTime(5000);
      const lines = await linesOfLog(server, 'ImageServer-');
      return (
        lines
          .filter((line) => line.includes(' STATS '))
          .map((line) => / renders=\S+/.exec(line)?.[0])
          .join() || 'none'
      );
    },
    byDefault: 'none',
    seen: ' renders=1',
  },
];

const ALERT_ROWS: readonly Row[] = [
  alertRow('alertInterval', 60_000, 'Error', { request: image('none'), afterMs: 60_000, seen: true }),
  alertRow('maxAverageResponseTime', 0, 'RTime', { request: '/is/image', seen: true }),
  alertRow('maxErrorRate', 1, 'Error', { request: image('none'), seen: false }),
  alertRow('maxOverlap', 0, 'Conc', { request: '/is/image', seen: true }),
  alertRow('minRequestRate', 1_000_000, 'Traf', { request: '/is/image', seen: true }),
  alertRow('minTrafficForAlerts', 1_000_000, 'Error', { request: image('none'), seen: false }),
  {
    setting: 'Alerts.lockedThreshold',
    value: 1,
    beside: remote,
    hasFakeIntervals: true,
    request: '/is/image/photo.tif, which is slow to read; `pyramidion_alert{alert="Lock"}` after ten minutes',
    look: async ({ server }) => {
      const { reply } = await askHeld(source, server);
      await wait(20);
      vi.advanceTimersByTime(600_000);
      const value = (await server.metrics())('pyramidion_alert{alert="Lock"}');
      source.release();
      await reply;
      return String(value);
    },
    byDefault: '0',
    seen: '1',
  },
];

function alertRow(
  name: string,
  value: number,
  alert: string,
  { request, seen, afterMs = 600_000 }: { request: string; seen: boolean; afterMs?: number },
): Row {
  return {
    setting: `Alerts.${name}`,
    value,
    hasFakeIntervals: true,
    request: `${request}; \`pyramidion_alert{alert="${alert}"}\` after ${afterMs / 60_000} min`,
    look: async ({ server }) => {
      await server.ask(request);
      vi.advanceTimersByTime(afterMs);
      return String((await server.metrics())(`pyramidion_alert{alert="${alert}"}`));
    },
    byDefault: String(Number(!seen)),
    seen: String(Number(seen)),
  };
}

function dayBefore(days: number): string {
  const date = new Date(Date.now() - days * 86_400_000);
  return [date.getFullYear(), date.getMonth() + 1, date.getDate()]
    .map((part) => String(part).padStart(2, '0'))
    .join('-');
}

describe('settings of logs and alerts', () => {
  testSettings(place, [...LOG_ROWS, ...ALERT_ROWS]);

  it('are all in the table', () => {
    const rows = ROWS.filter(({ group }) => group === 'log' || group === 'alerts');
    expect([...LOG_ROWS, ...ALERT_ROWS].map(({ setting }) => setting)).toEqual(rows.map(qualifiedName));
  });
});
