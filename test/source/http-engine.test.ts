/** Images behind URLs, as the engine opens and serves them. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Engine, PyramidionError } from '../../src/index.js';
import type { Picture } from '../../src/picture/picture.js';
import { RangeServer } from './range-server.js';

let folder: string;
let server: RangeServer;
let engine: Engine;
const engines: Engine[] = [];
const originals = new Map<string, Buffer>();

const at = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pyramidion-http-'));
  const builder = await Engine.start();
  const pixels = Buffer.alloc(450 * 350 * 3);
  for (let i = 0; i < pixels.length; i++) pixels[i] = (Math.imul(i, 2654435761) >>> 24) & 255;
  const image = sharp(pixels, { raw: { width: 450, height: 350, channels: 3 } });
  await image.png().toFile(at('plain.png'));
  for (const compression of ['jpeg', 'deflate'] as const) {
    for (const layout of ['pages', 'subifds'] as const) {
      await builder.build(at('plain.png'), at(`${compression}-${layout}.tif`), { compression, layout, tileSize: 64 });
    }
  }
  const small = await sharp({ create: { width: 200, height: 100, channels: 3, background: 'red' } })
    .png()
    .toBuffer();
  await builder.build(small, at('small.tif'), { compression: 'jpeg', tileSize: 64 });
  await builder.close();
  const names = [
    'plain.png',
    'small.tif',
    'jpeg-pages.tif',
    'jpeg-subifds.tif',
    'deflate-pages.tif',
    'deflate-subifds.tif',
  ];
  for (const name of names) originals.set(name, await readFile(at(name)));
});
afterAll(() => rm(folder, { recursive: true }));

beforeEach(async () => {
  server = await RangeServer.start();
  for (const [name, bytes] of originals) server.files.set(name, { bytes });
  engine = await start();
});
afterEach(async () => {
  await Promise.all(engines.splice(0).map((started) => started.close()));
  await server.close();
});

async function start(options: Parameters<typeof Engine.start>[0] = {}): Promise<Engine> {
  const started = await Engine.start({ renders: 2, ...options });
  engines.push(started);
  return started;
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof PyramidionError)) throw new Error(`rejected with ${error}`);
  expect(error.message).not.toContain('127.0.0.1');
  return error.code;
}

/** Never answers reads of tiles; the promise resolves with the first. */
function hang(): Promise<void> {
  return new Promise((resolve) => {
    server.answer = () => {
      resolve();
      return true;
    };
  });
}

const widthOf = async ({ info }: Picture): Promise<number> => info.width;

/** Everything a picture yields: all tiles of all levels, regions and views. */
async function yieldOf(picture: Picture): Promise<Record<string, Buffer>> {
  const found: Record<string, Buffer> = {};
  for (const [level, { width, height, columns, rows }] of picture.info.levels.entries()) {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const { bytes } = await picture.tile({ level, column, row }, { edge: 'padded', icc: row % 2 === 0 });
        found[`tile ${level}/${column}/${row}`] = Buffer.from(bytes);
      }
    }
    const rect = { left: Math.floor(width / 3), top: 0, width: Math.ceil(width / 2), height };
    const { data } = await picture.region({ level, ...rect });
    found[`region ${level}`] = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  }
  for (const query of [
    'wid=300',
    'rgn=100,50,333,222&wid=200&fmt=png',
    'wid=500&fmt=webp&rotate=30',
    'scl=1&rect=64,64,64,64',
  ]) {
    found[query] = Buffer.from((await picture.render(query)).bytes);
  }
  return found;
}

describe('an image behind a URL', () => {
  test.each(['jpeg-pages.tif', 'jpeg-subifds.tif', 'deflate-pages.tif', 'plain.png'])(
    '%s gives the very tiles, regions and views of its file',
    async (name) => {
      await using file = await engine.open(at(name));
      await using remote = await engine.open(new URL(server.url(name)));
      const told = ({ info: { kind, name, width, height, orientation, levels, pixels, profile, dpi } }: Picture) => ({
        kind,
        name,
        width,
        height,
        orientation,
        levels,
        pixels,
        profile,
        dpi,
      });
      expect(told(remote)).toEqual(told(file));
      expect(remote.info.version).not.toBe(file.info.version);
      const [own, others] = [await yieldOf(remote), await yieldOf(file)];
      expect(Object.keys(own)).toEqual(Object.keys(others));
      for (const [what, bytes] of Object.entries(others)) {
        expect(own[what]?.equals(bytes), what).toBe(true);
      }
      const used = await engine.use(server.url(name), async (picture) => (await picture.render('wid=300')).bytes);
      expect(Buffer.from(used).equals(others['wid=300'] ?? Buffer.alloc(0))).toBe(true);
    },
  );

  test.each(['jpeg-pages.tif', 'jpeg-subifds.tif'])(
    '%s is opened by few requests, and a tile costs one',
    async (name) => {
      const picture = await engine.open(new URL(server.url(name)));
      expect(picture.info.levels.length).toBe(4);
      expect(server.asked.length).toBeLessThanOrEqual(3);
      for (let level = 0; level < 4; level++) await picture.tile({ level, column: 0, row: 0 }, { edge: 'padded' });
      expect(server.asked.length).toBeLessThanOrEqual(8);
      const before = server.asked.length;
      await picture.tile({ level: 0, column: 3, row: 2 });
      expect(server.asked.length).toBe(before + 1);
      await picture.close();
    },
  );

  test('is probed, verified and built from, and the pyramid is called after it', async () => {
    const url = new URL(server.url('plain.png'));
    expect(await engine.probe(url)).toMatchObject({ format: 'png', width: 450, height: 350 });
    await engine.verify(url);
    const { path } = await engine.build(url, `${folder}/`);
    expect(path).toBe(at('plain.tif'));
    await using built = await engine.open(path);
    expect(built.info.width).toBe(450);
    await rm(path);
  });

  test('fails with the codes of its reading', async () => {
    server.files.set('text.txt', { bytes: Buffer.from('no image at all') });
    server.files.set('empty.tif', { bytes: new Uint8Array(0) });
    server.files.set('cut.tif', { bytes: (originals.get('small.tif') ?? Buffer.alloc(0)).subarray(0, 100) });
    for (const [name, code] of [
      ['none.tif', 'SOURCE_NOT_FOUND'],
      ['text.txt', 'UNSUPPORTED_FORMAT'],
      ['empty.tif', 'CORRUPT_IMAGE'],
      ['cut.tif', 'CORRUPT_IMAGE'],
    ] as const) {
      expect([name, await codeOf(engine.open(new URL(server.url(name))))]).toEqual([name, code]);
      expect([name, await codeOf(engine.use(server.url(name), widthOf))]).toEqual([name, code]);
    }
    await expect(engine.open(server.url('small.tif')), 'a string is a path').rejects.toMatchObject({
      code: 'SOURCE_NOT_FOUND',
    });
    expect(await codeOf(Engine.start({ readTimeoutMs: 0 }))).toBe('INVALID_OPTION');
    expect(await codeOf(Engine.start({ recheckMs: -1 }))).toBe('INVALID_OPTION');
  });

  test('that is not answered ends after readTimeoutMs', async () => {
    const hasty = await start({ readTimeoutMs: 50 });
    const picture = await hasty.open(new URL(server.url('small.tif')));
    server.answer = () => true;
    expect(await codeOf(picture.tile({ level: 0, column: 0, row: 0 }))).toBe('SOURCE_UNREADABLE');
    expect(await codeOf(picture.render('wid=200'))).toBe('SOURCE_UNREADABLE');
    expect(await codeOf(hasty.use(server.url('jpeg-pages.tif'), widthOf))).toBe('SOURCE_UNREADABLE');
    server.answer = () => false;
    expect((await picture.render('wid=200')).width).toBe(200);
    await picture.close();
  });

  test('that is slow gives way to a deadline and a signal', async () => {
    const url = server.url('jpeg-pages.tif');
    await engine.use(url, async (picture) => {
      await picture.tile({ level: 0, column: 0, row: 0 });
      hang();
      expect(await codeOf(picture.render('wid=300', { limits: { deadlineMs: 30 } }))).toBe('DEADLINE_EXCEEDED');
      for (const call of [
        (signal: AbortSignal) => picture.render('wid=300', { signal }),
        (signal: AbortSignal) => picture.tile({ level: 0, column: 1, row: 0 }, { signal }),
      ]) {
        const asked = hang();
        const client = new AbortController();
        const code = codeOf(call(client.signal));
        await asked;
        client.abort();
        expect(await code).toBe('ABORTED');
      }
      server.answer = () => false;
    });
    const asked = hang();
    const client = new AbortController();
    const code = codeOf(engine.open(new URL(url), { signal: client.signal }));
    await asked;
    client.abort();
    expect(await code).toBe('ABORTED');
  });
});

describe('Engine.use', () => {
  const replace = (bytes: Buffer | undefined): void => {
    if (bytes === undefined) server.files.delete('a.tif');
    else server.files.set('a.tif', { bytes });
  };
  beforeEach(() => replace(originals.get('small.tif')));

  test('keeps a URL open, and asks whether it is the newest only where nothing was read', async () => {
    const url = server.url('a.tif');
    const first = (picture: Picture) => picture.tile({ level: 0, column: 0, row: 0 });
    await engine.use(url, first);
    server.asked.splice(0);
    await engine.use(url, first);
    expect(server.asked.length).toBe(1);
    expect(server.asked[0]).not.toBe('a.tif 0-0');
    await engine.use(url, widthOf);
    expect(server.asked.slice(1)).toEqual(['a.tif 0-0']);
  });

  test('sees the new one after it was replaced, between uses and during one', async () => {
    const url = server.url('a.tif');
    expect(await engine.use(url, widthOf)).toBe(200);
    replace(originals.get('jpeg-pages.tif'));
    expect(await engine.use(url, widthOf)).toBe(450);

    const seen: number[] = [];
    const { bytes } = await engine.use(url, (picture) => {
      seen.push(picture.info.width);
      replace(originals.get('small.tif'));
      return picture.tile({ level: 0, column: 0, row: 0 });
    });
    expect(seen).toEqual([450, 200]);
    await using file = await engine.open(at('small.tif'));
    expect(Buffer.from(bytes).equals((await file.tile({ level: 0, column: 0, row: 0 })).bytes)).toBe(true);

    replace(undefined);
    expect(await codeOf(engine.use(url, widthOf))).toBe('SOURCE_NOT_FOUND');
    replace(originals.get('small.tif'));
    expect(await engine.use(url, widthOf)).toBe(200);
  });

  test('does not look again within recheckMs, but never reads two states', async () => {
    const patient = await start({ recheckMs: 3_600_000 });
    const url = server.url('a.tif');
    expect(await patient.use(url, widthOf)).toBe(200);
    server.asked.splice(0);
    replace(originals.get('jpeg-pages.tif'));
    expect(await patient.use(url, widthOf)).toBe(200);
    expect(server.asked).toEqual([]);
    const tile = await patient.use(url, async (picture) => {
      await picture.tile({ level: 0, column: 0, row: 0 });
      return picture.info.width;
    });
    expect(tile).toBe(450);
  });

  test('a server that fails is told, and does not make the image a missing one', async () => {
    const url = server.url('a.tif');
    await engine.use(url, widthOf);
    server.answer = (_, response) => {
      response.writeHead(503, { 'content-length': 0 }).end();
      return true;
    };
    expect(await codeOf(engine.use(url, widthOf))).toBe('SOURCE_UNREADABLE');
    expect(await codeOf(engine.use(url, async () => Promise.reject(new PyramidionError('INTERNAL', 'mine'))))).toBe(
      'INTERNAL',
    );
    expect(await codeOf(engine.versionOf(url))).toBe('SOURCE_UNREADABLE');
    server.answer = () => false;
    server.asked.splice(0);
    await engine.use(url, widthOf);
    expect(server.asked).toEqual(['a.tif 0-0']);
  });

  test('versionOf tells what a picture would say, of files and URLs', async () => {
    for (const location of [server.url('a.tif'), at('small.tif')]) {
      expect(await engine.versionOf(location)).toBe(await engine.use(location, async ({ info }) => info.version));
    }
    expect(await engine.versionOf(server.url('none.tif'))).toBe(null);
    expect(await engine.versionOf(at('none.tif'))).toBe(null);
  });

  test('a closing engine ends reads and connections', async () => {
    const url = server.url('a.tif');
    const opened = await engine.open(new URL(url));
    await engine.use(url, widthOf);
    const asked = hang();
    const codes = [
      codeOf(engine.use(url, (picture) => picture.tile({ level: 0, column: 0, row: 0 }))),
      codeOf(engine.use(url, (picture) => picture.render('wid=200'))),
      codeOf(engine.use(server.url('jpeg-pages.tif'), widthOf)),
      codeOf(opened.tile({ level: 0, column: 0, row: 0 })),
      codeOf(engine.versionOf(url)),
    ];
    await asked;
    await engine.close();
    expect(await Promise.all(codes)).toEqual(codes.map(() => 'ENGINE_CLOSED'));
    expect(await codeOf(engine.versionOf(url))).toBe('ENGINE_CLOSED');
    await opened.close();
    await expect.poll(() => server.connections()).toBe(0);
  });
});
