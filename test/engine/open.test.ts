/** Opening images for views: what opens, what becomes of it when its file changes, and what stops a view. */
import { createReadStream, readdirSync } from 'node:fs';
import {
  copyFile,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Engine, PyramidionError } from '../../src/index.js';
import { DEFAULT_COLOUR, resolveColour } from '../../src/picture/colour.js';
import { DEFAULT_RENDER_LIMITS, resolveLimits } from '../../src/picture/limits.js';
import type { Picture } from '../../src/picture/picture.js';
import { fileVersion } from '../../src/source/file.js';

type Colour = { readonly r: number; readonly g: number; readonly b: number };
const RED = { r: 200, g: 30, b: 20 };
const BLUE = { r: 20, g: 40, b: 210 };

/** Pyramids of one colour and a size of their own. */
const KINDS = [
  { name: 'red-jpeg.tif', colour: RED, width: 700, height: 500, compression: 'jpeg' },
  { name: 'blue-jpeg.tif', colour: BLUE, width: 520, height: 640, compression: 'jpeg' },
  { name: 'red-deflate.tif', colour: RED, width: 700, height: 500, compression: 'deflate' },
] as const;

let originals: string;
let folder: string;
let engine: Engine;
const engines: Engine[] = [];

beforeAll(async () => {
  originals = await mkdtemp(join(tmpdir(), 'pyramidion-originals-'));
  const builder = await Engine.start();
  for (const { name, colour, width, height, compression } of KINDS) {
    const image = await plain(width, height, colour).png().toBuffer();
    await builder.build(image, join(originals, name), { compression, tileSize: 64 });
  }
  await builder.build(await noise(600, 600), join(originals, 'noise-jpeg.tif'), { compression: 'jpeg', tileSize: 64 });
  await builder.build(await noise(600, 600), join(originals, 'noise-deflate.tif'), {
    compression: 'deflate',
    tileSize: 64,
  });
  await builder.close();
});
afterAll(() => rm(originals, { recursive: true }));
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pyramidion-open-'));
  engine = await start();
});
afterEach(async () => {
  await Promise.all(engines.splice(0).map((started) => started.close()));
  await rm(folder, { recursive: true, force: true });
});

async function start(options: Parameters<typeof Engine.start>[0] = {}): Promise<Engine> {
  const started = await Engine.start({ renders: 2, ...options });
  engines.push(started);
  return started;
}

function plain(width: number, height: number, background: Colour) {
  return sharp({ create: { width, height, channels: 3, background } });
}

function noise(width: number, height: number): Promise<Buffer> {
  const pixels = Buffer.alloc(width * height * 3);
  for (let i = 0; i < pixels.length; i++) pixels[i] = (Math.imul(i, 2654435761) >>> 24) & 255;
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}

/** A copy of one of the originals. */
async function copy(name: string, as = name): Promise<string> {
  const path = join(folder, as);
  await copyFile(join(originals, name), path);
  return path;
}

/** The colour of a whole reply; it has no other. */
async function colourOf(bytes: Uint8Array): Promise<string> {
  const { channels } = await sharp(bytes).stats();
  const [r = { mean: 0 }, , b = { mean: 0 }] = channels;
  expect(channels.slice(0, 3).every(({ min, max }) => max - min < 12)).toBe(true);
  return r.mean > b.mean ? 'red' : 'blue';
}

/** What a picture of the file calls its version. */
async function versionOf(path: string): Promise<string> {
  return fileVersion(await stat(path, { bigint: true }));
}

/** Files of a folder that this process has open, also those that have no name any more. */
async function openIn(place: string): Promise<string[]> {
  const links = await Promise.all(
    readdirSync('/proc/self/fd').map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
  );
  return links.filter((link) => link.startsWith(`${place}/`));
}

async function errorOf(promise: Promise<unknown>): Promise<PyramidionError> {
  const error = await promise.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof PyramidionError)) throw new Error(`rejected with ${error}`);
  return error;
}

const codeOf = async (promise: Promise<unknown>): Promise<string> => (await errorOf(promise)).code;

describe('Engine.open', () => {
  test('takes a path, a URL, bytes and a stream, pyramid or not', async () => {
    const pyramid = await copy('red-jpeg.tif');
    const image = join(folder, 'plain.png');
    await plain(90, 60, RED).png().toFile(image);
    for (const [path, kind, width] of [
      [pyramid, 'pyramid', 700],
      [image, 'image', 90],
    ] as const) {
      const versions = new Set<string>();
      for (const source of [path, pathToFileURL(path), await readFile(path), createReadStream(path)]) {
        await using picture = await engine.open(source);
        expect(picture.info).toMatchObject({ kind, width, orientation: 1 });
        versions.add(picture.info.version);
        const reply = await picture.render('wid=30&fmt=png');
        expect([reply.width, await colourOf(reply.bytes)]).toEqual([30, 'red']);
        const { data, channels } = await picture.region({ level: 0, left: 5, top: 6, width: 3, height: 2 });
        expect([data.length, channels]).toEqual([18, 3]);
        expect((await picture.tile({ level: 0, column: 0, row: 0 })).bytes.length).toBeGreaterThan(0);
      }
      expect(versions.size).toBe(3); // path and URL are one file
    }
  });

  test('a stream is spooled to a file that is gone when the picture is closed', async () => {
    const place = await mkdtemp(join(folder, 'tmp-'));
    const before = process.env.TMPDIR;
    process.env.TMPDIR = place;
    try {
      const picture = await engine.open(createReadStream(await copy('red-jpeg.tif')));
      expect((await readdir(place)).length).toBe(1);
      expect(await colourOf((await picture.render('wid=50')).bytes)).toBe('red');
      await picture.close();
      expect(await readdir(place)).toEqual([]);
    } finally {
      if (before === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = before;
    }
  });

  test('what is no image has its code, and nothing stays open', async () => {
    const text = join(folder, 'text.txt');
    await writeFile(text, 'no image at all');
    const cut = join(folder, 'cut.tif');
    await writeFile(cut, (await readFile(join(originals, 'red-jpeg.tif'))).subarray(0, 100));
    await mkdir(join(folder, 'folder'));
    expect(await codeOf(engine.open(join(folder, 'nothing.tif')))).toBe('SOURCE_NOT_FOUND');
    expect(await codeOf(engine.open(join(folder, 'folder')))).toBe('SOURCE_UNREADABLE');
    expect(await codeOf(engine.open(text))).toBe('UNSUPPORTED_FORMAT');
    expect(await codeOf(engine.open(cut))).toBe('CORRUPT_IMAGE');
    expect(await codeOf(engine.open(new Uint8Array(0)))).toBe('CORRUPT_IMAGE');
    expect(await codeOf(engine.open(7 as never))).toBe('INVALID_OPTION');
    expect(await codeOf(engine.open(text, { page: -1 }))).toBe('INVALID_OPTION');
    expect(await codeOf(engine.open(text, { signal: AbortSignal.abort() }))).toBe('ABORTED');
    expect(await codeOf(engine.use(join(folder, 'nothing.tif'), async () => 1))).toBe('SOURCE_NOT_FOUND');
    expect(await openIn(folder)).toEqual([]);
  });

  test('refuses unknown options and limits by name', async () => {
    const path = await copy('red-jpeg.tif');
    expect(await errorOf(Engine.start({ limits: { maxpix: 1 } } as never))).toMatchObject({ code: 'INVALID_OPTION' });
    expect(await errorOf(Engine.start({ limits: { maxPix: 5 } } as never))).toMatchObject({ code: 'INVALID_OPTION' });
    expect(await errorOf(Engine.start({ renders: 0 }))).toMatchObject({ code: 'INVALID_OPTION', option: 'renders' });
    await using picture = await engine.open(path);
    const refused = async (limits: object) =>
      errorOf(Promise.resolve().then(() => picture.render('wid=9', { limits })));
    expect(await refused({ nosuch: 1 })).toMatchObject({ code: 'INVALID_OPTION', option: 'limits.nosuch' });
    expect(await refused({ deadlineMs: -1 })).toMatchObject({ code: 'INVALID_OPTION', option: 'limits.deadlineMs' });
    expect(await codeOf(picture.render({ size: 1 } as never))).toBe('INVALID_REQUEST');
  });
});

describe('limits', () => {
  /** A decoder would be busy for long with it. Opening it reads its header alone. */
  test('maxNonDsfSize: a large image that is no pyramid is refused when it is opened', async () => {
    const path = join(folder, 'large.png');
    await plain(2001, 2000, RED).png().toFile(path);
    expect(await errorOf(engine.open(path))).toMatchObject({
      code: 'LIMIT_EXCEEDED',
      option: 'maxNonDsfSize',
      value: 2001 * 2000,
      limit: 4e6,
    });
    expect(await codeOf(engine.use(path, async () => 1))).toBe('LIMIT_EXCEEDED');
    expect(await openIn(folder)).toEqual([]);
    const generous = await start({ limits: { maxNonDsfSize: 5 } });
    await using picture = await generous.open(path);
    expect(picture.info.width).toBe(2001);
  });

  test.each([
    ['maxPix', { maxPix: [100, 0] }, 'wid=101', [101, 72], [100, 0]],
    ['maxPix', { maxPix: [0, 50] }, 'hei=51', [71, 51], [0, 50]],
    ['maxRenderRgnPixels', { maxRenderRgnPixels: 0.01 }, 'wid=200&hei=100', 20_000, 10_000],
    ['maxDecodedPixels', { maxDecodedPixels: 0.1 }, 'wid=700', 88 * 4096, 100_000],
  ] as const)('%s %j refuses %s before any work', async (option, limits, query, value, limit) => {
    await using picture = await engine.open(await copy('red-jpeg.tif'));
    const error = await errorOf(picture.render(query, { limits }));
    expect(error).toMatchObject({ code: 'LIMIT_EXCEEDED', option, value, limit });
    expect(error.message).toContain(`(${option})`);
    expect(await errorOf(picture.plan(query, { limits }))).toMatchObject({ code: 'LIMIT_EXCEEDED', option });
  });

  test('apply to tiles and regions too', async () => {
    await using picture = await engine.open(await copy('red-deflate.tif'));
    const limits = { maxDecodedPixels: 0.004 };
    const tile = picture.tile({ level: 0, column: 1, row: 1 }, { limits });
    expect(await errorOf(tile)).toMatchObject({ code: 'LIMIT_EXCEEDED', option: 'maxDecodedPixels', value: 4096 });
    const region = picture.region(
      { level: 0, left: 0, top: 0, width: 200, height: 100 },
      { limits: { maxRenderRgnPixels: 0.01 } },
    );
    expect(await errorOf(region)).toMatchObject({
      code: 'LIMIT_EXCEEDED',
      option: 'maxRenderRgnPixels',
      value: 20_000,
    });
  });

  test('maxMessageSize: of a view, and of a stored tile', async () => {
    await using picture = await engine.open(await copy('noise-jpeg.tif'));
    const limits = { maxMessageSize: 2 ** -10 };
    const tile = () => picture.tile({ level: 0, column: 0, row: 0 }, { limits });
    for (const reply of [() => picture.render('wid=300&fmt=png', { limits }), tile]) {
      const error = await errorOf(reply());
      expect(error).toMatchObject({ code: 'LIMIT_EXCEEDED', option: 'maxMessageSize', limit: 1024 });
      expect(error.value).toBeGreaterThan(1024);
    }
    expect((await picture.render('wid=300&fmt=png')).bytes.length).toBeGreaterThan(1024);
  });

  test('deadlineMs: the view is stopped, and its thread goes on to the next', async () => {
    await using picture = await engine.open(await copy('noise-jpeg.tif'));
    const late = picture.render('wid=1900&hei=1900&op_usm=1,250,0,0', { limits: { deadlineMs: 40 } });
    expect(await errorOf(late)).toMatchObject({ code: 'DEADLINE_EXCEEDED', option: 'deadlineMs', limit: 40 });
    expect((await picture.render('wid=20')).width).toBe(20);
  });
});

describe('a view under way', () => {
  const LONG = 'wid=1900&hei=1900&op_usm=1,250,0,0';

  test('is stopped by its signal, in the run and in the queue', async () => {
    await using picture = await engine.open(await copy('noise-jpeg.tif'));
    const stop = new AbortController();
    const views = Array.from({ length: 9 }, () => codeOf(picture.render(LONG, { signal: stop.signal })));
    await sleep(50);
    stop.abort();
    expect(await Promise.all(views)).toEqual(Array(9).fill('ABORTED'));
    expect((await picture.render('wid=20')).width).toBe(20);
    expect(await codeOf(picture.render('wid=20', { signal: stop.signal }))).toBe('ABORTED');
    expect(
      await codeOf(picture.region({ level: 0, left: 0, top: 0, width: 9, height: 9 }, { signal: stop.signal })),
    ).toBe('ABORTED');
  });

  test('ends with ENGINE_CLOSED when its engine is closed; no file, thread or timer is left', async () => {
    const path = await copy('noise-jpeg.tif');
    const picture = await engine.open(path);
    const views = Array.from({ length: 8 }, () => codeOf(picture.render(LONG)));
    views.push(codeOf(engine.use(path, (used) => used.render(LONG))));
    views.push(
      codeOf(
        engine.use(path, (used) =>
          used.region({ level: 0, left: 0, top: 0, width: 600, height: 600 }).then(() => used.render(LONG)),
        ),
      ),
    );
    await sleep(50);
    await engine.close();
    expect(await Promise.all(views)).toEqual(Array(10).fill('ENGINE_CLOSED'));
    expect(await codeOf(picture.render('wid=20'))).toBe('ENGINE_CLOSED');
    expect(await codeOf(engine.open(path))).toBe('ENGINE_CLOSED');
    expect(await codeOf(engine.use(path, async () => 1))).toBe('ENGINE_CLOSED');
    await picture.close();
    expect(await openIn(folder)).toEqual([]);
  });

  test('of one engine lives when another is closed', async () => {
    const path = await copy('red-jpeg.tif');
    const other = await start();
    const [mine, others] = [await engine.open(path), await other.open(path)];
    const stopped = codeOf(mine.render(LONG));
    const goesOn = others.render('wid=600&fmt=png');
    await engine.close();
    expect(await stopped).toBe('ENGINE_CLOSED');
    expect(await colourOf((await goesOn).bytes)).toBe('red');
    expect(await colourOf((await others.render('wid=60')).bytes)).toBe('red');
    await Promise.all([mine.close(), others.close()]);
  });

  test('has its file until it is done, though the picture is closed; what comes later is refused', async () => {
    for (const name of ['red-jpeg.tif', 'red-deflate.tif']) {
      const picture = await engine.open(await copy(name));
      const views = Array.from({ length: 12 }, (_, i) => picture.render(`wid=${300 + i}&fmt=png`));
      // All have planned and asked for the descriptor by the time the first is done.
      await views[0];
      const closing = picture.close();
      expect(await codeOf(picture.render('wid=20&fmt=png'))).toBe('SOURCE_UNREADABLE');
      for (const view of views) expect(await colourOf((await view).bytes)).toBe('red');
      await closing;
      expect(await openIn(folder)).toEqual([]);
      await picture.close();
    }
  });

  test('that was aborted never reads through a descriptor that is another file’s by then', async () => {
    const [red, blue] = [await copy('red-deflate.tif'), await copy('blue-jpeg.tif')];
    for (let round = 0; round < 15; round++) {
      const stop = new AbortController();
      const picture = await engine.open(red);
      const views = Array.from({ length: 6 }, () =>
        picture.render('wid=650&fmt=png', { signal: stop.signal }).then(
          ({ bytes }) => colourOf(bytes),
          ({ code }: PyramidionError) => code,
        ),
      );
      await sleep(round % 4);
      stop.abort();
      const outcomes = Promise.all(views);
      await picture.close();
      // The number of the descriptor is free now, and taken again.
      const other = await open(blue);
      for (const outcome of await outcomes) expect(['ABORTED', 'red']).toContain(outcome);
      await other.close();
    }
  });
});

describe('a file that changes', () => {
  test('replaced by another: an open picture goes on showing the old one, a new one shows the new', async () => {
    for (const name of ['red-jpeg.tif', 'red-deflate.tif']) {
      const path = await copy(name, 'a.tif');
      await using old = await engine.open(path);
      await rename(await copy('blue-jpeg.tif', 'b.tif'), path);
      await using fresh = await engine.open(path);
      for (const query of ['wid=100', 'wid=600&fmt=png', 'fmt=jpeg&rgn=10,10,50,50'])
        expect(await colourOf((await old.render(query)).bytes)).toBe('red');
      const { bytes } = await old.tile({ level: 1, column: 2, row: 2 });
      expect(await colourOf(bytes)).toBe('red');
      expect([old.info.width, fresh.info.width]).toEqual([700, 520]);
      expect(await colourOf((await fresh.render('wid=100')).bytes)).toBe('blue');
      expect(old.info.version).not.toBe(fresh.info.version);
      await rm(path);
    }
  });

  test('cut short: what was there is told from what was not', async () => {
    for (const name of ['noise-jpeg.tif', 'noise-deflate.tif']) {
      const path = await copy(name, 'a.tif');
      await using picture = await engine.open(path);
      await picture.tileIndex(0);
      await truncate(path, 3000);
      const codes = await Promise.all(
        ['wid=600&fmt=png', 'wid=500', 'rgn=300,300,200,200'].map((query) => codeOf(picture.render(query))),
      );
      for (const code of codes) expect(code).toMatch(/^(SOURCE_CHANGED|CORRUPT_IMAGE)$/);
      const far = picture.tile({ level: 0, column: 8, row: 8 }, { edge: 'padded' });
      expect(await codeOf(far)).toMatch(/^(SOURCE_CHANGED|CORRUPT_IMAGE)$/);
    }
  });

  test('use: the newest at the start, one state through and through, while others replace and render', async () => {
    const path = await copy('red-jpeg.tif', 'a.tif');
    const contents = {
      red: await readFile(join(originals, 'red-jpeg.tif')),
      blue: await readFile(join(originals, 'blue-jpeg.tif')),
    };
    const widths = { red: 700, blue: 520 };
    /** Every state of the path in its order, noted before it comes; `newest` is the last that certainly has come. */
    const states = [await versionOf(path)];
    let newest = 0;
    let isDone = false;
    const writer = (async () => {
      for (let i = 0; !isDone; i++) {
        const next = join(folder, `next-${i}`);
        await writeFile(next, contents[i % 2 === 0 ? 'blue' : 'red']);
        states.push(await versionOf(next));
        await rename(next, path);
        newest = states.length - 1;
        await sleep(i % 7);
      }
    })();
    const seen = new Set<string>();
    const reader = async (): Promise<void> => {
      for (let i = 0; i < 60; i++) {
        const from = newest;
        const [info, reply, tile, far] = await engine.use(
          path,
          async (picture: Picture) =>
            [
              picture.info,
              await picture.render('wid=90&fmt=png'),
              await picture.tile({ level: 0, column: 3, row: 3 }),
              await picture.region({ level: 0, left: 400, top: 400, width: 1, height: 1 }),
            ] as const,
        );
        const colour = (await colourOf(reply.bytes)) === 'red' ? 'red' : 'blue';
        expect([info.width, await colourOf(tile.bytes)]).toEqual([widths[colour], colour]);
        expect((far.data[0] ?? 0) > (far.data[2] ?? 0) ? 'red' : 'blue').toBe(colour);
        expect(states.indexOf(info.version)).toBeGreaterThanOrEqual(from);
        seen.add(colour);
      }
    };
    await Promise.all([reader(), reader(), reader()]).finally(() => {
      isDone = true;
    });
    await writer;
    expect(seen.size).toBe(2);
    // At rest it is the last one, at once.
    for (const colour of ['red', 'blue'] as const) {
      await writeFile(join(folder, 'last'), contents[colour]);
      await rename(join(folder, 'last'), path);
      const reply = await engine.use(path, (picture) => picture.render('wid=40'));
      expect(await colourOf(reply.bytes)).toBe(colour);
    }
  });

  test('use: rewritten in place, it is read again', async () => {
    const path = await copy('red-jpeg.tif', 'a.tif');
    const blue = await readFile(join(originals, 'blue-jpeg.tif'));
    expect(await engine.use(path, async ({ info }) => info.width)).toBe(700);
    await sleep(15); // past the clock tick of the file system
    await writeFile(path, blue);
    const reply = await engine.use(path, (picture) => picture.render('wid=100&fmt=png'));
    expect(await colourOf(reply.bytes)).toBe('blue');
    let calls = 0;
    const mixed = await engine.use(path, async (picture) => {
      calls += 1;
      if (calls === 1) {
        await sleep(15);
        await writeFile(path, await readFile(join(originals, 'red-jpeg.tif')));
      }
      return picture.render('wid=100&fmt=png');
    });
    expect([calls, await colourOf(mixed.bytes)]).toEqual([2, 'red']);
  });
});

describe('a damaged file', () => {
  test.each(['noise-jpeg.tif', 'noise-deflate.tif'])(
    '%s: its views are errors with a code, the engine goes on',
    async (name) => {
      const path = await copy(name, 'a.tif');
      const tile = { level: 0, column: 4, row: 4 };
      let at = { offset: 0, length: 0 };
      {
        await using picture = await engine.open(path);
        const { offsets, lengths } = await picture.tileIndex(0);
        const number = 4 * (picture.info.levels[0]?.columns ?? 0) + 4;
        at = { offset: Number(offsets[number]), length: Number(lengths[number]) };
      }
      const whole = await readFile(path);
      const expectCode = async (damage: (bytes: Buffer) => void): Promise<void> => {
        const bytes = Buffer.from(whole);
        damage(bytes.subarray(at.offset, at.offset + at.length));
        await using picture = await engine.open(bytes);
        const { left, top } = { left: 4 * 64, top: 4 * 64 };
        const calls = [
          picture.region({ level: 0, left, top, width: 64, height: 64 }),
          picture.region({ level: 0, left: left - 20, top: top - 20, width: 100, height: 100 }),
          picture.render('wid=600&hei=600&fmt=png'),
        ];
        expect(await Promise.all(calls.map(codeOf))).toEqual(Array(3).fill('CORRUPT_IMAGE'));
        // The tile beside it is sound.
        const beside = await picture.region({ level: 0, left: left + 64, top, width: 64, height: 64 });
        expect(beside.data.length).toBe(64 * 64 * 3);
      };
      await expectCode((stored) => stored.fill(0xff));
      await expectCode((stored) => stored.fill(0, 0, stored.length >> 1));
      // Single bits, all over: an error with a code or a reply, never more.
      await using picture = await engine.open(whole);
      expect((await picture.tile(tile)).bytes.length).toBeGreaterThan(0);
      for (let i = 0; i < 60; i++) {
        const bytes = Buffer.from(whole);
        const place = at.offset + Math.floor((i * at.length) / 60);
        bytes[place] = (bytes[place] ?? 0) ^ (1 << (i % 8));
        await using bitten = await engine.open(bytes);
        const outcome = await bitten.region({ level: 0, left: 256, top: 256, width: 64, height: 64 }).then(
          ({ width }) => String(width),
          ({ code }: PyramidionError) => code,
        );
        expect(['64', 'CORRUPT_IMAGE', 'UNSUPPORTED_IMAGE']).toContain(outcome);
      }
      expect((await picture.render('wid=50')).width).toBe(50);
    },
  );
});

test('a limit or a colour setting that is undefined takes its default', () => {
  expect(resolveLimits({ maxPix: undefined } as never)).toEqual(DEFAULT_RENDER_LIMITS);
  expect(resolveColour({ iccDither: undefined })).toEqual(DEFAULT_COLOUR);
  expect(() => resolveColour({ iccDither: null })).toThrow(expect.objectContaining({ option: 'colour.iccDither' }));
  expect(() => resolveLimits({ maxPix: 3 } as never)).toThrow(expect.objectContaining({ option: 'limits.maxPix' }));
});
