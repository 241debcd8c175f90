/** What a browser makes of images: headless Chromium, read back from a canvas. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** An image as it was shown: RGB samples. */
export interface Shown {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** An image to be shown. */
export interface Showable {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
}

/** Milliseconds one start may take. */
const TIMEOUT = 50_000;

/** When all images are there, each is drawn and its samples become a line of text; the page is dumped after that. */
const SCRIPT = `addEventListener('load', () => {
  const lines = [...document.images].map((image) => {
    const canvas = document.createElement('canvas');
    canvas.width = image.naturalWidth;
    canvas.height = image.naturalHeight;
    const context = canvas.getContext('2d', { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    let samples = '';
    for (let i = 0; i < data.length; i += 4) samples += String.fromCharCode(data[i], data[i + 1], data[i + 2]);
    return [canvas.width, canvas.height, btoa(samples)].join(' ');
  });
  document.body.textContent = lines.join('\\n');
});`;

/** Shows images, all in one start of the browser, on an sRGB screen. Rejects when one cannot be shown. */
export async function showInChromium(images: readonly Showable[]): Promise<Shown[]> {
  const folder = await mkdtemp(join(tmpdir(), 'pyramidion-browser-'));
  try {
    const page = join(folder, 'page.html');
    const urls = images.map(
      ({ bytes, mediaType }) => `data:${mediaType};base64,${Buffer.from(bytes).toString('base64')}`,
    );
    const tags = urls.map((url) => `<img src="${url}">`).join('');
    await writeFile(page, `<!doctype html><body>${tags}</body><script>${SCRIPT}</script>`);
    const dump = await dumpDom(pathToFileURL(page).href, join(folder, 'profile'));
    const lines = /<body>(.*)<\/body>/s.exec(dump)?.[1]?.trim().split('\n') ?? [];
    if (lines.length !== images.length) throw new Error(`${images.length} images, but ${lines.length} were shown`);
    return lines.map((line, i) => {
      const [width = '', height = '', samples = ''] = line.split(' ');
      const shown = { width: Number(width), height: Number(height), data: Buffer.from(samples, 'base64') };
      if (shown.data.length === 0 || shown.data.length !== shown.width * shown.height * 3)
        throw new Error(`image ${i} was not shown`);
      return shown;
    });
  } finally {
    // Processes of the browser may still be writing to its profile.
    await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

function dumpDom(url: string, profile: string): Promise<string> {
  const words = [
    '--headless',
    // Of root, which CI is.
    '--no-sandbox',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    '--force-color-profile=srgb',
    `--user-data-dir=${profile}`,
    '--dump-dom',
    url,
  ];
  return new Promise((resolve, reject) => {
    execFile('chromium', words, { maxBuffer: 1 << 28, timeout: TIMEOUT, killSignal: 'SIGKILL' }, (error, stdout) => {
      if (error === null) resolve(stdout);
      else reject(error);
    });
  });
}
