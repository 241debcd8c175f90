/** A server that has too much to do, and one that is switched off (§10.3, §1). */
import { expect, test } from 'vitest';
import { cellsPng, serve } from './support.js';

test('what finds no place is told when to come again', async () => {
  const server = await serve({
    pyramids: { 'cells.tif': await cellsPng() },
    server: { maxQueue: 0, retryAfterSeconds: 7 },
    imageServer: { WorkerThreads: 1 },
  });
  try {
    // Large, and each another one.
    const asked = Array.from({ length: 8 }, (_, i) =>
      server.ask(`/is/image/cells.tif?wid=1500&fit=fit,1&op_usm=1,20,${i}&fmt=png`),
    );
    const answers = await Promise.all(asked);
    const refused = answers.filter(({ status }) => status !== 200);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length).toBeLessThan(answers.length);
    for (const { status, headers, text } of refused) {
      expect([status, text]).toEqual([503, 'Server is busy']);
      expect(headers).toMatchObject({ 'retry-after': '7', 'cache-control': 'no-store' });
    }
    // Afterwards all is as before.
    const again = await server.ask('/is/image/cells.tif?wid=1500&fit=fit,1&op_usm=1,20,7&fmt=png');
    expect(again.status).toBe(200);
  } finally {
    await server.close();
  }
});

test('a server that is switched off says so', async () => {
  const server = await serve({ pyramids: { 'cells.tif': await cellsPng() }, server: { enabled: false } });
  try {
    expect(await server.ask('/is/image')).toMatchObject({ status: 200, text: 'Image Serving is disabled\n' });
    const { status, headers, text } = await server.ask('/is/image/cells.tif?wid=100');
    expect([status, text]).toEqual([503, 'Image Serving is disabled']);
    expect(headers['retry-after']).toBe('1');
  } finally {
    await server.close();
  }
});
