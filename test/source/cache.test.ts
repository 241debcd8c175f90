import { mkdtemp, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { PyramidionError } from '../../src/errors.js';
import { openPyramid, type Pyramid } from '../../src/pyramid/open.js';
import { HandleCache } from '../../src/source/cache.js';
import { fileVersionAt, openFile } from '../../src/source/file.js';
import { pixelsTiff } from '../pyramid/pixels-tiff.js';

let folder = '';
let path = '';
let opened: string[] = [];
let closed: string[] = [];
let cache: HandleCache<Pyramid>;

/** Opens files, and keeps account of it. */
async function open(at: string): Promise<Pyramid> {
  const file = await openFile(at);
  opened.push(file.name);
  const source = {
    ...file,
    close: async () => {
      closed.push(file.name);
      await file.close();
    },
  };
  try {
    return await openPyramid(source);
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** A pyramid of a given width, 60 pixels high: of one tile or two. */
const content = (width: number) => pixelsTiff({ width, height: 60, samples: 1, photometric: 1 });
const widthOf = async ({ info }: Pyramid) => info.width;
const ONE_TILE = { left: 0, top: 0, width: 1, height: 1 };

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pyramidion-cache-'));
  path = join(folder, 'a.tif');
  await writeFile(path, content(60));
  opened = [];
  closed = [];
  cache = new HandleCache({ open });
});
afterEach(async () => {
  await cache.close();
  expect([...closed].sort()).toEqual([...opened].sort());
  await rm(folder, { recursive: true });
});

async function replace(width: number): Promise<void> {
  await writeFile(join(folder, 'new'), content(width));
  await rename(join(folder, 'new'), path);
}

/** Writes in place; the time is set, as two writes of one test may be too close for the file system's clock. */
async function rewrite(width: number, second: number): Promise<void> {
  await writeFile(path, content(width));
  await utimes(path, second, second);
}

describe('a file', () => {
  test('is opened once, however many use it', async () => {
    expect(await Promise.all([1, 2, 3].map(() => cache.use(path, widthOf)))).toEqual([60, 60, 60]);
    expect(await cache.use(join(folder, '.', 'a.tif'), widthOf)).toBe(60);
    expect(opened).toEqual(['a.tif']);
    expect(cache.size).toBe(1);
  });

  test('that was replaced or rewritten between uses is opened anew, and the old one closed', async () => {
    expect(await cache.use(path, widthOf)).toBe(60);
    await replace(70);
    expect(await cache.use(path, widthOf)).toBe(70);
    expect(closed).toEqual(['a.tif']);
    await rewrite(80, 1e9);
    expect(await cache.use(path, widthOf)).toBe(80);
    await rm(path);
    await expect(cache.use(path, widthOf)).rejects.toMatchObject({ code: 'SOURCE_NOT_FOUND' });
    expect(cache.size).toBe(0);
  });

  test('that is replaced during its first use is that use’s old one', async () => {
    const seen: number[] = [];
    const tiles = await cache.use(path, async (pyramid) => {
      seen.push(pyramid.info.width);
      if (seen.length === 1) await replace(70);
      return pyramid.levelPixels(0, ONE_TILE);
    });
    expect([seen, tiles.width]).toEqual([[60], 60]);
    expect(await cache.use(path, widthOf)).toBe(70);
  });

  test('that is rewritten in place during a use is read again: no tables of one with bytes of the other', async () => {
    await cache.use(path, (pyramid) => pyramid.tileIndex(0));
    const seen: number[] = [];
    const tiles = await cache.use(path, async (pyramid) => {
      seen.push(pyramid.info.width);
      if (seen.length === 1) await rewrite(130, 1e9);
      return pyramid.levelPixels(0, ONE_TILE);
    });
    expect([seen, tiles.width]).toEqual([[60, 130], 64]);
  });

  test('that keeps being rewritten is SOURCE_CHANGED', async () => {
    let second = 1e9;
    const always = cache.use(path, async (pyramid) => {
      second += 1;
      await rewrite(60, second);
      return pyramid.levelPixels(0, ONE_TILE);
    });
    await expect(always).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
  });

  test('that is cut short during a use and stays so is an error of its new content', async () => {
    await cache.use(path, widthOf);
    const cut = cache.use(path, async (pyramid) => {
      await writeFile(path, content(60).subarray(0, 300));
      return pyramid.levelPixels(0, ONE_TILE);
    });
    await expect(cut).rejects.toMatchObject({ code: expect.stringMatching(/CORRUPT_IMAGE|SOURCE_CHANGED/) });
  });

  test('is not looked at within maxAgeMs, but what is read of it is still of one state', async () => {
    await cache.close();
    cache = new HandleCache({ open, maxAgeMs: 60_000 });
    expect(await cache.use(path, widthOf)).toBe(60);
    await replace(70);
    expect(await cache.use(path, widthOf)).toBe(60);
    await cache.close();
    cache = new HandleCache({ open, maxAgeMs: 60_000 });
    expect(await cache.use(path, widthOf)).toBe(70);
    await rewrite(80, 1e9);
    expect(await cache.use(path, widthOf)).toBe(80);
  });

  test('is opened anew as soon as somebody tells that it is another one', async () => {
    await cache.close();
    cache = new HandleCache({ open, maxAgeMs: 60_000 });
    expect(await cache.use(path, widthOf)).toBe(60);
    await cache.noteVersion(path, await fileVersionAt(path));
    expect(cache.size).toBe(1);
    await replace(70);
    await cache.noteVersion(path, await fileVersionAt(path));
    expect(cache.size).toBe(0);
    expect(await cache.use(path, widthOf)).toBe(70);
    await cache.noteVersion(path, null);
    await cache.noteVersion(`${path}x`, null);
    expect(cache.size).toBe(0);
  });

  test('is served in one state while others replace it all the time', async () => {
    let isDone = false;
    const writer = (async () => {
      for (let width = 65; !isDone; width = width === 65 ? 129 : 65) await replace(width);
    })();
    for (let i = 0; i < 300; i++) {
      const [width, tiles] = await cache.use(path, async (pyramid) => {
        const { lengths } = await pyramid.tileIndex(0);
        await pyramid.levelPixels(0, ONE_TILE);
        return [pyramid.info.width, lengths.length] as const;
      });
      expect([1, 2, 3]).toContain(tiles);
      expect(tiles).toBe(Math.ceil(width / 64));
    }
    isDone = true;
    await writer;
  });
});

describe('open files', () => {
  test('are at most so many, the least recently used closed first; those in use stay', async () => {
    await cache.close();
    cache = new HandleCache({ open, maxOpen: 2 });
    const paths = await Promise.all(
      ['b.tif', 'c.tif', 'd.tif'].map(async (name) => {
        await writeFile(join(folder, name), content(60));
        return join(folder, name);
      }),
    );
    const [b = '', c = '', d = ''] = paths;
    await cache.use(b, async () => {
      await cache.use(c, widthOf);
      await cache.use(d, widthOf);
      await cache.use(c, widthOf);
      expect(closed).toEqual(['c.tif', 'd.tif']);
    });
    await cache.use(d, widthOf);
    await expect.poll(() => closed).toEqual(['c.tif', 'd.tif', 'b.tif']);
    expect(cache.size).toBe(2);
  });

  test('are closed when nobody uses them for a while', async () => {
    await cache.close();
    cache = new HandleCache({ open, idleMs: 20 });
    await cache.use(path, widthOf);
    await expect.poll(() => closed).toEqual(['a.tif']);
    expect(await cache.use(path, widthOf)).toBe(60);
  });

  test('are all closed at the end, after the uses under way; then there is no more', async () => {
    let end = (): void => {};
    const held = new Promise<void>((resolve) => {
      end = resolve;
    });
    const use = cache.use(path, async (pyramid) => {
      await held;
      return (await pyramid.levelPixels(0, ONE_TILE)).width;
    });
    await expect.poll(() => opened.length).toBe(1);
    const closing = cache.close();
    await expect(cache.use(path, widthOf)).rejects.toMatchObject({ code: 'ENGINE_CLOSED' });
    expect(closed).toEqual([]);
    end();
    expect(await use).toBe(60);
    await closing;
    expect(closed).toEqual(['a.tif']);
  });

  test('what cannot be opened is told to all who asked, closed, and tried anew', async () => {
    await writeFile(path, 'no TIFF at all');
    const both = await Promise.allSettled([cache.use(path, widthOf), cache.use(path, widthOf)]);
    expect(both).toMatchObject([
      { reason: { code: 'UNSUPPORTED_FORMAT' } },
      { reason: { code: 'UNSUPPORTED_FORMAT' } },
    ]);
    expect(closed).toEqual(opened);
    await writeFile(path, content(75));
    expect(await cache.use(path, widthOf)).toBe(75);
  });

  test('work that was stopped is not kept waiting for a look at its file', async () => {
    await cache.close();
    cache = new HandleCache({ open, versionAt: () => new Promise(() => {}) });
    for (const code of ['ABORTED', 'DEADLINE_EXCEEDED', 'ENGINE_CLOSED'] as const) {
      const stopped = cache.use(path, async () => Promise.reject(new PyramidionError(code, 'stopped')));
      await expect(stopped).rejects.toMatchObject({ code });
    }
  });

  test('a look that fails is told, but not instead of an error of the work', async () => {
    await cache.close();
    cache = new HandleCache({ open, versionAt: () => Promise.reject(new RangeError('no look')) });
    await expect(cache.use(path, widthOf)).rejects.toThrow('no look');
    await expect(cache.use(path, async () => Promise.reject(new RangeError('mine')))).rejects.toThrow('mine');
    expect(opened.length).toBe(1);
  });

  test('an error of the work is its caller’s, and the file stays open', async () => {
    await expect(cache.use(path, async () => Promise.reject(new RangeError('mine')))).rejects.toThrow('mine');
    expect(await cache.use(path, widthOf)).toBe(60);
    expect(opened.length).toBe(1);
  });
});
