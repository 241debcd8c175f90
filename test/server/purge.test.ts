import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cellsPng, type Served, serve } from './support.js';

let served: Served;

beforeAll(async () => {
  const png = await cellsPng();
  served = await serve({ pyramids: { 'a.tif': png, 'b.tif': png }, server: { trustForwardedFor: true } });
});
afterAll(() => served.close());

/** How many pictures were made so far. */
async function made(): Promise<number> {
  const { text } = await served.ask('/metrics');
  return Number(/^pyramidion_stage_duration_seconds_count\{stage="render"\} (\d+)$/m.exec(text)?.[1] ?? 0);
}

/** Pictures that are made by asking for these. */
async function makes(...targets: string[]): Promise<number> {
  const before = await made();
  for (const target of targets) expect((await served.ask(target)).status).toBe(200);
  return (await made()) - before;
}

const OF_A = ['/is/image/a?wid=50', '/is/image/a.tif?wid=60'];
const OF_B = '/is/image/b?wid=50';

describe('PURGE', () => {
  test('drops what is kept of an image, whatever it was called, and nothing else', async () => {
    expect(await makes(...OF_A, OF_B)).toBe(3);
    expect(await makes(...OF_A, OF_B)).toBe(0);
    expect(await served.ask('/is/image/a.tif', { method: 'PURGE' })).toMatchObject({ status: 200, text: 'purged 2\n' });
    expect(await makes(...OF_A, OF_B)).toBe(2);
  });

  test('drops everything where no image is named', async () => {
    await makes(...OF_A, OF_B);
    expect(await served.ask('/is/image', { method: 'PURGE' })).toMatchObject({ status: 200, text: 'purged 3\n' });
    expect(await makes(...OF_A, OF_B)).toBe(3);
  });

  test('is for this machine, and for images that are there', async () => {
    await makes(...OF_A);
    for (const headers of [
      { 'x-forwarded-for': '192.0.2.1' },
      { 'x-forwarded-for': '127.0.0.1' },
      { forwarded: 'for=192.0.2.1' },
    ] as Record<string, string>[]) {
      expect((await served.ask('/is/image/a', { method: 'PURGE', headers })).status).toBe(403);
      expect((await served.ask('/is/image', { method: 'PURGE', headers })).status).toBe(403);
    }
    expect(await makes(...OF_A)).toBe(0);
    expect((await served.ask('/is/image/none', { method: 'PURGE' })).status).toBe(403);
  });
});
