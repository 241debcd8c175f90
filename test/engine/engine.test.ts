import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import sharp, { type Sharp } from 'sharp';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Engine, PyramidionError } from '../../src/index.js';

let folder = '';
const engines: Engine[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pyramidion-engine-'));
});
afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.close()));
  await rm(folder, { recursive: true, force: true });
});

async function start(...options: Parameters<typeof Engine.start>): Promise<Engine> {
  const engine = await Engine.start(...options);
  engines.push(engine);
  return engine;
}

/** Noise, which no coder makes small work of. */
function noise(width: number, height: number): Sharp {
  return sharp(randomBytes(width * height * 3), { raw: { width, height, channels: 3 } });
}

/** A source whose build takes some seconds. */
async function slowSource(): Promise<string> {
  const path = join(folder, 'slow.tif');
  await noise(6000, 5000).tiff({ compression: 'none' }).toFile(path);
  return path;
}
const SLOW = { compression: 'deflate', effort: 9 } as const;

const output = () => join(folder, 'out.tif');
const hidden = async () => (await readdir(folder)).filter((name) => name.startsWith('.'));

describe('Engine.start', () => {
  test('says what the native base can do', async () => {
    const engine = await start();
    expect(engine.capabilities.formats).toEqual(expect.arrayContaining(['jpeg', 'png', 'tiff']));
  });

  test('refuses unknown and illegal options', async () => {
    await expect(start({ maxMemory: '1K' })).rejects.toMatchObject({ code: 'INVALID_OPTION', option: 'maxMemory' });
    await expect(start({ memory: 1 } as never)).rejects.toMatchObject({ code: 'INVALID_OPTION', option: 'memory' });
  });

  test('a second engine shares the budget, or is refused', async () => {
    const first = await start({ maxMemory: '200M', workers: 2, threads: 2 });
    const second = await start();
    const third = await start({ maxMemory: '200M', workers: 2, estimate: 'decoded' });
    expect(second.snapshot()).toEqual(first.snapshot());
    expect(first.snapshot()).toMatchObject({ limit: 200 * 1024 ** 2, slots: 2 });
    await expect(start({ maxMemory: '300M' })).rejects.toMatchObject({ code: 'INVALID_OPTION', option: 'maxMemory' });
    await expect(start({ workers: 3 })).rejects.toMatchObject({ code: 'INVALID_OPTION', option: 'workers' });

    // The pool lives as long as one of them does.
    await first.close();
    await second.close();
    const jpeg = await noise(64, 64).jpeg().toBuffer();
    expect((await third.probe(jpeg)).need).toBe(64 * 64 * 3 * 3);
    await third.close();
    expect((await start({ maxMemory: '300M' })).snapshot().limit).toBe(300 * 1024 ** 2);
  });
});

describe('Engine.close', () => {
  test('stops what runs and what waits with ENGINE_CLOSED, and leaves no file', async () => {
    const engine = await start({ workers: 1 });
    const source = await slowSource();
    const builds = Array.from({ length: 3 }, () => engine.build(source, output(), SLOW));
    const settled = Promise.allSettled(builds);
    await new Promise((resolve) => engine.once('jobprogress', resolve));
    await engine.close();
    for (const outcome of await settled)
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'ENGINE_CLOSED' } });
    expect(await readdir(folder)).toEqual(['slow.tif']);
  });

  test('twice is as good as once; afterwards everything is ENGINE_CLOSED', async () => {
    const engine = await start();
    const closing = engine.close();
    expect(engine.close()).toBe(closing);
    await closing;
    const picture = await noise(8, 8).png().toBuffer();
    await expect(engine.probe(picture)).rejects.toMatchObject({ code: 'ENGINE_CLOSED' });
    await expect(engine.build(picture, output())).rejects.toMatchObject({ code: 'ENGINE_CLOSED' });
    await expect(engine.verify(picture)).rejects.toMatchObject({ code: 'ENGINE_CLOSED' });
  });

  test('is what `await using` calls', async () => {
    const engine = await start();
    await engine[Symbol.asyncDispose]();
    await expect(engine.probe(new Uint8Array(1))).rejects.toMatchObject({ code: 'ENGINE_CLOSED' });
  });
});

describe('Engine.probe', () => {
  const photo = () => noise(320, 200);

  test.each<[string, (image: Sharp) => Sharp, object]>([
    [
      'baseline JPEG',
      (image) => image.jpeg(),
      { format: 'jpeg', bands: 3, bitDepth: 8, interlaced: false, chromaSubsampling: '4:2:0' },
    ],
    [
      'progressive JPEG',
      (image) => image.jpeg({ progressive: true, chromaSubsampling: '4:4:4' }),
      { format: 'jpeg', interlaced: true, chromaSubsampling: '4:4:4' },
    ],
    [
      'PNG',
      (image) => image.png(),
      { format: 'png', bands: 3, bitDepth: 8, palette: false, alpha: 'none', chromaSubsampling: null },
    ],
    ['PNG with alpha', (image) => image.ensureAlpha(0.5).png(), { format: 'png', bands: 4, alpha: 'straight' }],
    [
      'PNG of 16 bits',
      (image) => image.toColourspace('rgb16').png(),
      { format: 'png', bitDepth: 16, sampleFormat: 'unsigned', colourSpace: 'rgb' },
    ],
    [
      'PNG with a palette',
      (image) => image.png({ palette: true, colours: 16 }),
      { format: 'png', bands: 3, palette: true, bitDepth: 4 },
    ],
    ['gray PNG', (image) => image.toColourspace('b-w').png(), { format: 'png', bands: 1, colourSpace: 'gray' }],
    [
      'TIFF',
      (image) => image.tiff({ compression: 'lzw' }).withMetadata({ density: 300 }),
      { format: 'tiff', bands: 3, dpi: { x: 300, y: 300 } },
    ],
    [
      'CMYK TIFF',
      (image) => image.toColourspace('cmyk').tiff(),
      { format: 'tiff', bands: 4, colourSpace: 'cmyk', alpha: 'none' },
    ],
    [
      'TIFF with alpha',
      (image) => image.ensureAlpha(0.5).tiff({ compression: 'lzw' }),
      { format: 'tiff', bands: 4, alpha: 'straight' },
    ],
    ['WebP', (image) => image.webp(), { format: 'webp', bands: 3 }],
    ['GIF', (image) => image.gif(), { format: 'gif' }],
    ['AVIF', (image) => image.avif(), { format: 'heif', bands: 3 }],
    [
      'LAB TIFF',
      (image) => image.toColourspace('labs').tiff({ compression: 'none' }),
      { format: 'tiff', colourSpace: 'lab', bitDepth: 16 },
    ],
  ])('%s', async (_, encode, expected) => {
    const engine = await start();
    const bytes = await encode(photo()).toBuffer();
    const info = await engine.probe(bytes);
    expect(info).toMatchObject({
      width: 320,
      height: 200,
      storedWidth: 320,
      storedHeight: 200,
      pages: 1,
      orientation: 1,
      bytes: bytes.length,
      warnings: [],
      ...expected,
    });
    expect(info.need).toBeGreaterThan(0);
  });

  test('the size is that of the upright image, the stored size beside it', async () => {
    const engine = await start();
    const info = await engine.probe(await photo().withMetadata({ orientation: 6 }).jpeg().toBuffer());
    expect(info).toMatchObject({ width: 200, height: 320, storedWidth: 320, storedHeight: 200, orientation: 6 });
  });

  test('the embedded profile, and what is wrong with it', async () => {
    const engine = await start();
    const tagged = await photo().withIccProfile('p3').jpeg().toBuffer();
    const info = await engine.probe(tagged);
    expect(info.profile).toMatchObject({ description: expect.stringMatching(/P3/), bytes: expect.any(Uint8Array) });
    const at = tagged.indexOf('acsp');
    tagged[at] = 0;
    const damaged = await engine.probe(tagged);
    expect(damaged.profile).toBe(null);
    expect(damaged.warnings).toEqual([expect.stringContaining('profile')]);
  });

  test('reads paths and streams like bytes', async () => {
    const engine = await start();
    const bytes = await photo().png().toBuffer();
    await writeFile(join(folder, 'a.png'), bytes);
    const { need: _fromBytes, ...info } = await engine.probe(bytes);
    expect(await engine.probe(join(folder, 'a.png'))).toMatchObject(info);
    expect(await engine.probe(Readable.from([bytes]))).toMatchObject(info);
  });

  test('pages are counted, and looked at by number', async () => {
    const engine = await start();
    const frames = await Promise.all([0, 1, 2].map(() => photo().png().toBuffer()));
    const gif = await sharp(frames, { join: { animated: true } })
      .gif()
      .toBuffer();
    expect(await engine.probe(gif, { page: 2 })).toMatchObject({ pages: 3, width: 320, height: 200 });
    await expect(engine.probe(gif, { page: 3 })).rejects.toMatchObject({ code: 'INVALID_OPTION', option: 'page' });
    await expect(engine.probe(gif, { page: -1 })).rejects.toMatchObject({ code: 'INVALID_OPTION', option: 'page' });
  });

  test('errors have their codes', async () => {
    const engine = await start({ maxPixels: 320 * 200 - 1 });
    await expect(engine.probe(await photo().png().toBuffer())).rejects.toMatchObject({ code: 'TOO_MANY_PIXELS' });
    await expect(engine.probe(join(folder, 'none'))).rejects.toMatchObject({ code: 'SOURCE_NOT_FOUND' });
    await expect(engine.probe(folder)).rejects.toMatchObject({ code: 'SOURCE_UNREADABLE' });
    await expect(engine.probe(Buffer.from('%PDF-1.4'))).rejects.toMatchObject({ code: 'UNSUPPORTED_FORMAT' });
    await expect(engine.probe(new Uint8Array(0))).rejects.toMatchObject({ code: 'CORRUPT_IMAGE' });
    await expect(engine.probe(Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0]))).rejects.toBeInstanceOf(
      PyramidionError,
    );
    await expect(engine.probe(await photo().png().toBuffer(), { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ABORTED',
    });
  });
});

describe('Engine.build', () => {
  test('tells its events in order, and the same to the callback', async () => {
    const engine = await start();
    const seen: string[] = [];
    engine.on('jobqueue', ({ job, target }) => seen.push(`queue ${job} ${target === output()}`));
    engine.on('jobstart', ({ job }) => seen.push(`start ${job}`));
    engine.on('jobend', ({ job, code, report }) => seen.push(`end ${job} ${code} ${report?.path === output()}`));
    engine.on('warning', ({ job, message }) => seen.push(`warning ${job} ${message.slice(0, 6)}`));
    const told: number[] = [];
    engine.on('jobprogress', ({ fraction }) => told.push(fraction));
    const called: number[] = [];
    const png = await noise(600, 400).png().toBuffer();
    await engine.build(png, output(), { reduction: 'flashpix', onProgress: ({ fraction }) => called.push(fraction) });
    expect(seen).toEqual(['queue 1 true', 'start 1', 'warning 1 the co', 'end 1 null true']);
    expect(told).toEqual(called);
    expect(told.at(-1)).toBe(1);
  });

  test('a listener or callback that throws does no harm', async () => {
    const engine = await start();
    const warnings: unknown[] = [];
    const onWarning = (warning: unknown) => warnings.push(warning);
    process.on('warning', onWarning);
    engine.on('jobstart', () => {
      throw new Error('in a listener');
    });
    const onProgress = () => {
      throw new Error('in a callback');
    };
    await engine.build(await noise(600, 400).png().toBuffer(), output(), { onProgress });
    await new Promise((resolve) => setTimeout(resolve, 20));
    process.off('warning', onWarning);
    expect(warnings.map(String)).toContain('Error: in a listener');
    expect(await readdir(folder)).toEqual(['out.tif']);
  });

  test('a failure ends the job with its code', async () => {
    const engine = await start();
    const ends: unknown[] = [];
    engine.on('jobend', (event) => ends.push(event));
    await expect(engine.build(join(folder, 'none.jpg'), output())).rejects.toMatchObject({ code: 'SOURCE_NOT_FOUND' });
    expect(ends).toEqual([{ job: 1, report: null, code: 'SOURCE_NOT_FOUND' }]);
  });

  test('options are looked at before anything else', async () => {
    const engine = await start();
    await expect(engine.build(join(folder, 'none.jpg'), '', { qualty: 3 } as never)).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      option: 'qualty',
    });
  });

  test('an image cut short is CORRUPT_IMAGE, and leaves nothing', async () => {
    const engine = await start();
    for (const bytes of [
      await noise(600, 400).png().toBuffer(),
      await noise(600, 400).jpeg().toBuffer(),
      await noise(600, 400).tiff({ compression: 'deflate' }).toBuffer(),
    ]) {
      const cut = bytes.subarray(0, Math.floor(bytes.length * 0.6));
      await expect(engine.build(cut, output())).rejects.toMatchObject({
        code: expect.stringMatching(/CORRUPT_IMAGE|UNSUPPORTED_IMAGE/),
      });
    }
    expect(await readdir(folder)).toEqual([]);
  });

  test('what can never fit is refused at once, and before any pixel', { retry: 3 }, async () => {
    const engine = await start({ maxMemory: '10M' });
    const source = await slowSource();
    await engine.probe(source);
    const started = performance.now();
    await expect(engine.build(source, output())).rejects.toMatchObject({
      code: 'BUDGET_NEVER_FITS',
      limit: 10 * 1024 ** 2,
    });
    expect(performance.now() - started).toBeLessThan(50);
    expect(await readdir(folder)).toEqual(['slow.tif']);
  });

  test('is stopped by its signal within 200 ms, in the run and in the queue', { retry: 3 }, async () => {
    const engine = await start({ workers: 1 });
    const source = await slowSource();
    const running = new AbortController();
    const waiting = new AbortController();
    const first = engine.build(source, output(), { ...SLOW, signal: running.signal });
    await new Promise((resolve) => engine.once('jobprogress', resolve));
    const second = engine.build(source, output(), { ...SLOW, signal: waiting.signal });
    await new Promise((resolve) => engine.once('jobqueue', resolve));
    for (const [stop, build] of [
      [waiting, second],
      [running, first],
    ] as const) {
      const started = performance.now();
      stop.abort();
      await expect(build).rejects.toMatchObject({ code: 'ABORTED' });
      expect(performance.now() - started).toBeLessThan(200);
    }
    await engine.close();
    expect(await readdir(folder)).toEqual(['slow.tif']);
  });

  test('ten at once never have more reserved than there is, and all end', async () => {
    const engine = await start({ maxMemory: '300M', workers: 8 });
    const png = await noise(900, 700).png().toBuffer();
    const { need } = await engine.probe(png);
    const atOnce = Math.floor(engine.snapshot().limit / need);
    let most = 0;
    engine.on('jobstart', () => {
      const { reserved, running, limit } = engine.snapshot();
      expect(reserved).toBeLessThanOrEqual(limit);
      most = Math.max(most, running);
    });
    const reports = await Promise.all(
      Array.from({ length: 10 }, (_item, index) => engine.build(png, join(folder, `${index}.tif`))),
    );
    expect(reports).toHaveLength(10);
    expect(most).toBeLessThanOrEqual(atOnce);
    expect(engine.snapshot()).toMatchObject({ reserved: 0, running: 0, waiting: 0 });
    const files = await Promise.all(reports.map(({ path }) => readFile(path)));
    for (const file of files)
      expect(file.equals(files[0] ?? Buffer.alloc(0)) || file.length === files[0]?.length).toBe(true);
  });

  test('two to the same target both end whole', async () => {
    const engine = await start({ workers: 2 });
    const png = await noise(500, 500).png().toBuffer();
    const reports = await Promise.all([engine.build(png, output()), engine.build(png, output())]);
    expect(reports.map(({ path }) => path).sort()).toEqual([join(folder, 'out-1.tif'), output()]);
    for (const { path } of reports) await engine.verify(path);
    expect(await hidden()).toEqual([]);
  });
});

describe('Engine.verify', () => {
  test('passes what is sound: pages, SubIFDs, any format', async () => {
    const engine = await start();
    const png = await noise(700, 500).png().toBuffer();
    await engine.verify(png);
    await engine.build(png, output(), { layout: 'subifds' });
    await engine.verify(output());
    await engine.verify(output(), { subIfd: 0 });
    await engine.verify(output(), { subIfd: 1 });
    await expect(engine.verify(output(), { subIfd: 2 })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      option: 'subIfd',
    });
    await expect(engine.verify(png, { subIfd: 0 })).rejects.toMatchObject({ code: 'INVALID_OPTION', option: 'subIfd' });
    await expect(engine.verify(png, { subIfd: 0.5 })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      option: 'subIfd',
    });
  });

  test('finds damage in the pixels', async () => {
    const engine = await start();
    const png = await noise(700, 500).png().toBuffer();
    await expect(engine.verify(png.subarray(0, png.length / 2))).rejects.toMatchObject({ code: 'CORRUPT_IMAGE' });
    await engine.build(png, output(), { compression: 'deflate' });
    const bytes = await readFile(output());
    bytes.fill(0xaa, bytes.length - 3000, bytes.length - 100);
    await writeFile(output(), bytes);
    const outcomes = await Promise.allSettled([0, 1, 2].map((page) => engine.verify(output(), { page })));
    expect(outcomes.some((outcome) => outcome.status === 'rejected' && outcome.reason.code === 'CORRUPT_IMAGE')).toBe(
      true,
    );
  });
});
