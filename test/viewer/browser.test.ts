/** The viewer in a browser, OpenSeadragon over `rect`, before the image server: it opens, asks for the tiles of each level and gets them, and what it shows are the image's pixels. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect } from 'vitest';
import { ringColour, samplePng } from '../../scripts/sample-png.mjs';
import { readConfig } from '../../src/config/config.js';
import { Engine } from '../../src/engine.js';
import { ImageServer } from '../../src/server/server.js';
import { compare, psnr } from '../readers/compare.js';
import { findTool, itWith } from '../readers/tools.js';

/** A name that has to be escaped everywhere. */
const NAME = 'Rings & more.tif';
const WIDTH = 1801;
const HEIGHT = 1203;

/** What the browser is asked to leave be: none of it is to reach beyond this machine. */
const FLAGS = [
  // Of root, which CI is.
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--force-color-profile=srgb',
];

let engine: Engine;
let folder = '';
let server: ImageServer;
let origin = '';
let browser: Browser | null = null;

/** What a page asked for and complained of. */
interface Seen {
  readonly queries: string[];
  readonly faults: string[];
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pyramidion-viewer-'));
  const flags = { port: 0, cacheRoot: [join(folder, 'cache')], logFolder: '' };
  await mkdir(join(folder, 'images'));
  server = await ImageServer.start(await readConfig({ env: {}, root: 'images', folder, flags }));
  engine = await Engine.start();
  await engine.build(samplePng(WIDTH, HEIGHT), join(folder, 'images', NAME), { compression: 'jpeg', quality: 95 });
  origin = server.urls[0] ?? '';
});

afterEach(async () => {
  for (const context of browser?.contexts() ?? []) await context.close();
});

afterAll(async () => {
  await browser?.close();
  await engine.close();
  await server.close();
  await rm(folder, { recursive: true });
});

/** Opens a page in a window of this size. Whatever fails or is complained of is noted. */
async function open(path: string, width = 1200, height = 800): Promise<Seen & { readonly page: Page }> {
  browser ??= await chromium.launch({ executablePath: findTool('chromium') ?? '', args: FLAGS });
  const context = await browser.newContext({ viewport: { width, height } });
  const page = await context.newPage();
  const seen: Seen = { queries: [], faults: [] };
  page.on('console', (message) => {
    if (message.type() !== 'log') seen.faults.push(`${message.type()}: ${message.text()}`);
  });
  page.on('pageerror', (error) => seen.faults.push(String(error)));
  page.on('requestfailed', (request) => seen.faults.push(`failed: ${request.url()}`));
  page.on('request', (request) => {
    if (!request.url().startsWith(origin) && !/^(blob|data):/.test(request.url()))
      seen.faults.push(`elsewhere: ${request.url()}`);
  });
  page.on('response', (reply) => {
    const { pathname, search } = new URL(reply.url().startsWith('http') ? reply.url() : origin);
    if (reply.status() >= 400) seen.faults.push(`${reply.status()} ${reply.url()}`);
    if (pathname.startsWith('/is/image/')) seen.queries.push(search.slice(1));
  });
  await page.goto(origin + path);
  return { page, ...seen };
}

/** Texts of the page. */
const textOf = (id: string): string => `document.getElementById('${id}').textContent`;
const ZOOM = textOf('zoom');
const REPLY = textOf('reply');
const NOTE = textOf('preview-note');

const VIEWER = '/viewer/Rings%20%26%20more.tif';

/** The numbers in a text; there are some. */
function numbers(text: string | null): number[] {
  const found = (text ?? '').match(/\d+/g) ?? [];
  expect(found.length).toBeGreaterThan(0);
  return found.map(Number);
}

/** Waits until an expression of the page has a value. */
async function until(page: Page, expression: string, value: unknown = true): Promise<void> {
  await expect.poll(() => page.evaluate(expression), { timeout: 30_000, message: expression }).toEqual(value);
}

/** Waits until the viewer rests with every tile of its view loaded. */
async function settled(page: Page): Promise<void> {
  // What was done last is known to the viewer after its next frame.
  await page.evaluate('new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))');
  await until(
    page,
    `(() => {
      const viewer = globalThis.OpenSeadragon?.getViewer(document.getElementById('view'));
      const item = viewer?.world.getItemAt(0);
      return item !== undefined && item.getFullyLoaded() && !viewer.isAnimating();
    })()`,
  );
}

/** A part of the canvas, RGB, from its top left; and the pixel of the image that lies there. */
async function cornerOf(
  page: Page,
  width: number,
  height: number,
): Promise<{ readonly left: number; readonly top: number; readonly data: Uint8Array }> {
  const { x, y, samples } = (await page.evaluate(`(() => {
    const viewer = OpenSeadragon.getViewer(document.getElementById('view'));
    const { x, y } = viewer.world.getItemAt(0).viewerElementToImageCoordinates(new OpenSeadragon.Point(0, 0));
    const { data } = viewer.drawer.canvas.getContext('2d').getImageData(0, 0, ${width}, ${height});
    let samples = '';
    for (let i = 0; i < data.length; i += 4) samples += String.fromCharCode(data[i], data[i + 1], data[i + 2]);
    return { x, y, samples: btoa(samples) };
  })()`)) as { x: number; y: number; samples: string };
  expect([x, y]).toEqual([expect.closeTo(Math.round(x), 3), expect.closeTo(Math.round(y), 3)]);
  return { left: Math.round(x), top: Math.round(y), data: Buffer.from(samples, 'base64') };
}

describe('the viewer', () => {
  itWith(
    'chromium',
    'shows the whole image from the level that fits, then its own pixels, and nothing fails',
    async () => {
      const { page, queries, faults } = await open(VIEWER);
      await settled(page);
      const atFirst = [...queries];
      expect(atFirst.some((query) => /^(scl=2|wid=)/.test(query) && query.includes('rect='))).toBe(true);
      expect(atFirst.some((query) => query.startsWith('scl=1&'))).toBe(false);

      await page.keyboard.press('1');
      await until(page, ZOOM, '100 %');
      await settled(page);
      const full = queries.filter((query) => query.startsWith('scl=1&rect='));
      expect(full.some((query) => query.startsWith('scl=1&rect=768,512,256,256&id='))).toBe(true);
      expect(new Set(full).size).toBe(full.length);

      const [width, height] = [320, 240];
      const { left, top, data } = await cornerOf(page, width, height);
      const cut = { left, top, width, height };
      const { data: stored } = await engine.use(join(folder, 'images', NAME), (picture) =>
        picture.region({ level: 0, ...cut }),
      );
      if (!(stored instanceof Uint8Array)) throw new Error('samples of 16 bits');
      expect(compare(data, stored).largest).toBe(0);
      // And that is the picture that was drawn.
      const drawn = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
        const pixel = Math.floor(i / 3);
        const [x, y] = [left + (pixel % width), top + Math.floor(pixel / width)];
        return Math.round(ringColour(x, y, WIDTH, HEIGHT)[i % 3] ?? 0);
      });
      expect(psnr(data, drawn)).toBeGreaterThan(28);
      expect(faults).toEqual([]);
    },
  );

  itWith('chromium', 'is driven by keys and buttons, and its address brings the view back', async () => {
    const { page, faults } = await open(VIEWER);
    await settled(page);
    const zoom = () => page.textContent('#zoom');
    const first = await zoom();
    await page.keyboard.press('1');
    await until(page, ZOOM, '100 %');
    await settled(page);
    await until(page, `location.hash.startsWith('#at=')`);
    const address = page.url();
    const region = numbers(await page.textContent('#region'));
    await page.click('#home');
    await until(page, ZOOM, first);
    await until(page, 'location.hash', '');

    const again = await open(address.slice(origin.length));
    await settled(again.page);
    expect(await again.page.textContent('#zoom')).toBe('100 %');
    for (const [i, number] of numbers(await again.page.textContent('#region')).entries())
      expect(Math.abs(number - (region[i] ?? 0))).toBeLessThanOrEqual(1);

    await page.keyboard.press('i');
    expect(await page.isVisible('#inspector')).toBe(false);
    expect(await page.getAttribute('#toggle', 'aria-expanded')).toBe('false');
    await page.click('#toggle');
    expect(await page.isVisible('#inspector')).toBe(true);
    expect([...faults, ...again.faults]).toEqual([]);
  });

  itWith('chromium', 'shows renditions with what the server said of them, and why there is none', async () => {
    const { page, queries, faults } = await open(VIEWER);
    const reply = () => page.textContent('#reply');
    const shows = (text: string) => until(page, `${REPLY}.includes(${JSON.stringify(text)})`);
    await shows('600 × 401 px');
    expect(await reply()).toContain('image/jpeg');
    expect(await reply()).toContain('max-age=36000');

    await page.fill('[name=hei]', '200');
    await page.selectOption('[name=fit]', 'crop');
    await page.selectOption('[name=fmt]', 'png');
    await shows('600 × 200 px');
    expect(queries).toContain('wid=600&hei=200&fit=crop&fmt=png');
    expect(await page.textContent('#rendition-url')).toBe(
      `${origin}/is/image/Rings%20%26%20more.tif?wid=600&hei=200&fit=crop&fmt=png`,
    );
    expect(await page.isVisible('#preview')).toBe(true);
    expect(faults).toEqual([]);

    await page.fill('[name=more]', 'rotate=north');
    await until(page, `${NOTE}.startsWith('403: ')`);
    expect(await page.isVisible('#preview')).toBe(false);

    await page.fill('[name=more]', '');
    await page.selectOption('[name=fmt]', 'tif');
    await until(page, NOTE, 'This browser does not show image/tiff.');
  });

  itWith('chromium', 'fits a small screen: the image first, nothing wider than the window', async () => {
    const { page, faults } = await open(VIEWER, 390, 780);
    await settled(page);
    expect(await page.isVisible('#inspector')).toBe(false);
    await page.click('#toggle');
    expect(await page.isVisible('#inspector')).toBe(true);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(390);
    const list = await open('/viewer/', 390, 780);
    expect(await list.page.evaluate('document.documentElement.scrollWidth')).toBe(390);
    expect([...faults, ...list.faults]).toEqual([]);
  });
});

describe('the list of images', () => {
  itWith('chromium', 'shows each and leads to its viewer', async () => {
    const { page, faults } = await open('/viewer/');
    await until(page, '[...document.images].every(({ complete, naturalWidth }) => complete && naturalWidth === 480)');
    await page.click('text=Rings & more.tif');
    await settled(page);
    expect(page.url()).toBe(origin + VIEWER);
    expect(faults).toEqual([]);
  });
});
