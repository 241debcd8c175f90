import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { AccessLog } from '../../src/log/access-log.js';
import { compilePattern, DEFAULT_PATTERN } from '../../src/log/pattern.js';
import { EMPTY, FULL, NOON, useFolder } from './entry.js';

const folder = useFolder();
const onWarning = (message: string): never => {
  throw new Error(message);
};

test('entries are lines of the default pattern in the file of their day', async () => {
  const log = await AccessLog.open({ folder: folder(), onWarning, now: () => NOON });
  log.write(FULL);
  log.write(EMPTY);
  await log.flush();
  const lineOf = compilePattern(DEFAULT_PATTERN);
  expect(await readFile(join(folder(), 'access-2026-03-04.log'), 'utf8')).toBe(lineOf(FULL) + lineOf(EMPTY));
  log.write(FULL);
  await log.close();
  expect((await readFile(join(folder(), 'access-2026-03-04.log'), 'utf8')).split('\n')).toHaveLength(4);
  log.write(FULL);
  expect(log.lost).toBe(1);
});

test('pattern and prefix are as they are set', async () => {
  const log = await AccessLog.open({ folder: folder(), prefix: 's7', pattern: '%s %m', onWarning, now: () => NOON });
  log.write(FULL);
  await log.close();
  expect(await readFile(join(folder(), 's72026-03-04.log'), 'utf8')).toBe('304 GET\n');
  await expect(AccessLog.open({ folder: folder(), pattern: '%!', onWarning })).rejects.toMatchObject({
    code: 'INVALID_OPTION',
  });
});
