/**
 * Every setting of the original, changed from its default, and what a client sees of it: `PTiffManager`, `ImageServer`,
 * `PlatformServer` and the properties of the default manifest. The table that is printed is for quoting.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config/config.js';
import { MANIFEST } from '../../src/config/manifest.js';
import { qualifiedName, ROWS } from '../../src/config/settings.js';
import { availableProcessors } from '../../src/pool/machine.js';
import { tableProfile } from '../colour/profiles.js';
import { HeldSource } from './held-source.js';
import {
  asked,
  colourOf,
  freePort,
  image,
  onDisk,
  property,
  type Row,
  sameAs,
  testSettings,
  told,
  usesOf,
  whoReaches,
} from './settings.js';
import { ask, type Document, type Place, type Running, until, usePlace, write } from './start.js';

const place = usePlace();
let source: HeldSource;
beforeAll(async () => {
  source = await HeldSource.start({ '/photo.tif': await readFile(join(place.images, 'photo.tif')) });
  await write(join(place.folder, 'icc', 'press.icc'), tableProfile());
  await write(join(place.images, 'conf', 'mine', 'manifest.json'), '{ "defaultpix": "120,120" }');
});
afterAll(() => source.close());

/** So many different views, none of which is a stored tile. */
const views = (count: number): string[] =>
  Array.from({ length: count }, (_, at) => image(`photo?scl=1&rgn=${at},10,90,90&fmt=png`));

const remote = (): Document => ({ Server: { roots: [source.url] } });
const detailed = (): Document => ({ manifest: { errordetail: 2 } });
const withPress = ({ folder }: Place): Document => ({ Server: { profileFolders: [join(folder, 'icc')] } });

/** Views of an image whose tiles are held back: how many are begun, of those that are asked for. */
async function begun(server: Running, targets: readonly string[]): Promise<string> {
  await server.ask(image('photo.tif?scl=1&rgn=0,0,90,90'));
  source.hold();
  const replies = targets.map((target) => server.ask(target));
  const waiting = await until(
    async () => (await server.metrics())('pyramidion_renders{state="waiting"}'),
    (value) => value + source.held === targets.length,
  );
  const { held } = source;
  source.release();
  const statuses = (await Promise.all(replies)).map(({ status }) => status);
  return `${held} begun, ${waiting} wait, then ${statuses.filter((status) => status === 200).length} × 200`;
}

const SIX = Array.from({ length: 6 }, (_, at) => image(`photo.tif?scl=1&rgn=${at},10,90,90`));
const THREADS = Math.min(10, availableProcessors());
/** Each thread has the next view beside the one it makes. */
const BEGUN = Math.min(6, 2 * THREADS);

const ROWS_OF_SECTIONS: readonly Row[] = [
  {
    setting: 'PTiffManager.maxMemory',
    value: '10M',
    beside: () => ({ Server: { library: 'library', ingestOnRequest: true } }),
    request: '/is/image/large?wid=100, 5 million pixels, ingested on request',
    look: asked(image('large?wid=100')),
    byDefault: '200 100×80',
    seen: '403 Image is too large',
  },
  {
    setting: 'ImageServer.TcpPort',
    value: freePort,
    shown: 'a free port',
    beside: () => ({ Server: { host: '0.0.0.0' } }),
    request: '/is/image and /viewer/ at that port, with `host` 0.0.0.0',
    look: async ({ server, value }) => {
      const url = `http://127.0.0.1:${value}`;
      if (!server.urls.includes(url)) return `${server.urls.length} listener`;
      const [service, viewer] = await Promise.all([ask(url, '/is/image'), ask(url, '/viewer/')]);
      return `${server.urls.length} listeners; ${service.status}, ${viewer.status}; ${await whoReaches(url)}`;
    },
    byDefault: '1 listener',
    seen: '2 listeners; 200, 404; 127.0.0.1: this machine only',
  },
  {
    setting: 'ImageServer.AllowRemoteAccess',
    value: true,
    request: 'a connection to an address of this machine that others see',
    look: ({ server }) => whoReaches(server.urls[0] ?? ''),
    byDefault: '127.0.0.1: this machine only',
    seen: 'any address: everyone',
  },
  {
    setting: 'ImageServer.MaxRenderRgnPixels',
    value: 1,
    beside: detailed,
    request: '/is/image/photo?wid=1200&hei=1000',
    look: asked(image('photo?wid=1200&hei=1000')),
    byDefault: '200 1200×1000',
    seen: '403 Image size limit exceeded: the reply would have 1200000 pixels, the limit is 1 million (maxRenderRgnPixels): photo',
  },
  {
    setting: 'ImageServer.MaxMessageSize',
    value: 1,
    beside: detailed,
    request: '/is/image/photo?wid=700&hei=700&fmt=tif',
    look: asked(image('photo?wid=700&hei=700&fmt=tif'), async (reply) =>
      (await told(reply)).replace(/has \d+/, 'has 1.4 million'),
    ),
    byDefault: '200 700×700',
    seen: '403 Reply size limit exceeded: the reply has 1.4 million bytes; the limit is 1048576 (maxMessageSize): photo',
  },
  {
    setting: 'ImageServer.RandomAccessUrlTimeout',
    value: 0.2,
    beside: remote,
    request: '/is/image/photo.tif?wid=100 of a server that answers after 0.8 s',
    look: async ({ server }) => {
      source.hold('all');
      const reply = server.ask(image('photo.tif?wid=100'));
      await wait(800);
      source.release();
      return told(await reply);
    },
    byDefault: '200 100×60',
    seen: '403 Image cannot be read',
  },
  {
    setting: 'ImageServer.WorkerThreads',
    value: THREADS > 1 ? 1 : 0,
    beside: remote,
    request: 'six views at once of an image that is slow to read',
    look: ({ server }) => begun(server, SIX),
    byDefault: `${BEGUN} begun, ${6 - BEGUN} wait, then 6 × 200`,
    seen: '2 begun, 4 wait, then 6 × 200',
  },
  {
    setting: 'ImageServer.MaxNonDsfSize',
    value: 6,
    beside: detailed,
    request: '/is/image/large?wid=100, 5 million pixels and no pyramid',
    look: asked(image('large?wid=100')),
    byDefault:
      '403 Source image size limit exceeded: large.png is no pyramid and has 2500 × 2000 pixels; the limit is 4 million (maxNonDsfSize): large',
    seen: '200 100×80',
  },
  {
    setting: 'PlatformServer.Cache enabled',
    value: false,
    request: '/is/image/photo?wid=111, twice',
    look: ({ server }) => usesOf(server, image('photo?wid=111'), image('photo?wid=111')),
    byDefault: 'CREATED, REUSED',
    seen: 'IGNORED, IGNORED',
  },
  {
    setting: 'PlatformServer.Cache roots',
    value: ['one', 'two'],
    isAlone: true,
    request: '40 views',
    look: async ({ server }) => {
      for (const view of views(40)) await server.ask(view);
      await onDisk(server, 40);
      const counts = await Promise.all(['cache', 'one', 'two'].map((name) => entriesIn(join(server.folder, name))));
      const [total = 0, ...parts] = counts;
      const isEven = parts.every((part) => part >= 5) && parts.reduce((sum, part) => sum + part) === 40;
      return total === 40 ? '40 files in cache' : isEven ? '40 files, spread over one and two' : counts.join();
    },
    byDefault: '40 files in cache',
    seen: '40 files, spread over one and two',
  },
  {
    setting: 'PlatformServer.Cache Max Size',
    value: 100_000,
    isAlone: true,
    request: '20 views of some 15 kB',
    look: async ({ server }) => {
      for (const view of views(20)) await server.ask(view);
      const { entries, bytes } = await onDisk(server, 20);
      const files = await entriesIn(join(server.folder, 'cache'));
      const last = await usesOf(server, views(20)[19] ?? '');
      return `${entries === 20 ? 'all' : entries >= 4 ? 'some' : 'few'} on disk, ${bytes <= 100_000 ? 'at most' : 'more than'} 100 kB in ${files === entries ? 'as many' : 'other'} files; the last is ${last}`;
    },
    byDefault: 'all on disk, more than 100 kB in as many files; the last is REUSED',
    seen: 'some on disk, at most 100 kB in as many files; the last is REUSED',
  },
  {
    setting: 'PlatformServer.Cache Max Entries',
    value: 5,
    isAlone: true,
    request: '20 views',
    look: async ({ server }) => {
      for (const view of views(20)) await server.ask(view);
      const { entries } = await onDisk(server, 20);
      return `${entries} entries, ${await entriesIn(join(server.folder, 'cache'))} files`;
    },
    byDefault: '20 entries, 20 files',
    seen: '5 entries, 5 files',
  },
  {
    setting: 'PlatformServer.Catalog root',
    value: '/conf/mine/',
    request: '/is/image/photo, where that folder says `defaultpix` 120,120',
    look: asked(image('photo')),
    byDefault: '200 300×180',
    seen: '200 120×72',
  },
];

const ROWS_OF_MANIFEST: readonly Row[] = [
  {
    setting: 'manifest.bkgcolor',
    value: 'FF8000',
    request: '/is/image/photo?wid=200&hei=200&fmt=png, colour at the top',
    look: asked(image('photo?wid=200&hei=200&fmt=png'), colourOf),
    byDefault: '255,255,255',
    seen: '255,128,0',
  },
  {
    setting: 'manifest.defaultpix',
    value: '200,60',
    request: '/is/image/photo',
    look: asked(image('photo')),
    byDefault: '200 300×180',
    seen: '200 100×60',
  },
  {
    setting: 'manifest.defaultthumbpix',
    value: '50,40',
    request: '/is/image/photo?req=tmb',
    look: asked(image('photo?req=tmb')),
    byDefault: '200 100×100',
    seen: '200 50×40',
  },
  {
    setting: 'manifest.expiration',
    value: 90_000,
    request: '/is/image/photo?wid=90, Cache-Control',
    look: asked(image('photo?wid=90'), ({ headers }) => String(headers['cache-control'])),
    byDefault: 'public, max-age=36000',
    seen: 'public, max-age=90',
  },
  {
    setting: 'manifest.jpegquality',
    value: '50,1',
    request: '/is/image/photo?wid=300, beside the same with `qlt`',
    look: sameAs(image('photo?wid=300'), 'qlt=80,0', 'qlt=50,0', 'qlt=50,1'),
    byDefault: 'as qlt=80,0',
    seen: 'as qlt=50,1',
  },
  {
    setting: 'manifest.maxpix',
    value: '500,400',
    request: '/is/image/photo?wid=501',
    look: asked(image('photo?wid=501')),
    byDefault: '200 501×301',
    seen: '403 Image size limit exceeded',
  },
  {
    setting: 'manifest.resmode',
    value: 'BILIN',
    request: '/is/image/photo?wid=300, beside the same with `resMode`',
    look: sameAs(image('photo?wid=300'), 'resMode=sharp2', 'resMode=bicub', 'resMode=bilin'),
    byDefault: 'as resMode=sharp2',
    seen: 'as resMode=bilin',
  },
  {
    setting: 'manifest.resolution',
    value: 144,
    request: '/is/image/photo?res=36&scl=1',
    look: asked(image('photo?res=36&scl=1')),
    byDefault: '200 500×300',
    seen: '200 250×150',
  },
  {
    setting: 'manifest.thumbnailtime',
    value: '5%,50%,95%',
    request: '/is/image?req=catalogprops',
    look: asked('/is/image?req=catalogprops', property('catalog.thumbnailTime')),
    byDefault: 'catalog.thumbnailTime=1%,11%,21%,31%,41%,51%,61%,71%,81%,91%',
    seen: 'catalog.thumbnailTime=5%,50%,95%',
  },
  {
    setting: 'manifest.iccprofilergb',
    value: 'AdobeRGB',
    request: '/is/image/tagged?fmt=png, an image in sRGB, beside the same with `icc`',
    look: sameAs(image('tagged?fmt=png'), 'icc=sRGB', 'icc=AdobeRGB'),
    byDefault: 'as icc=sRGB',
    seen: 'as icc=AdobeRGB',
  },
  {
    setting: 'manifest.iccprofilecmyk',
    value: 'press.icc',
    beside: withPress,
    request: '/is/image/tagged?fmt=tif,cmyk, beside the same with `icc`',
    look: sameAs(image('tagged?fmt=tif,cmyk'), 'icc=press.icc'),
    byDefault: 'as none of them',
    seen: 'as icc=press.icc',
  },
  {
    setting: 'manifest.iccprofilegray',
    value: 'GrayGamma18',
    request: '/is/image/tagged?fmt=png,gray, beside the same with `icc`',
    look: sameAs(image('tagged?fmt=png,gray'), 'icc=GrayGamma18', 'icc=GrayGamma22'),
    byDefault: 'as none of them',
    seen: 'as icc=GrayGamma18',
  },
  {
    setting: 'manifest.iccprofilesrcrgb',
    value: 'ProPhoto',
    request: '/is/image/plain?fmt=png, 200,80,80 without a profile',
    look: asked(image('plain?fmt=png'), colourOf),
    byDefault: '200,80,80',
    seen: '255,15,97',
  },
  {
    setting: 'manifest.iccprofilesrccmyk',
    value: 'press.icc',
    beside: withPress,
    request: '/is/image/cmyk?fmt=png, without a profile',
    look: asked(image('cmyk?fmt=png'), colourOf),
    byDefault: '172,49,119',
    seen: '91,68,104',
  },
  {
    setting: 'manifest.iccprofilesrcgray',
    value: 'GrayGamma18',
    request: '/is/image/gray?fmt=png, 96 without a profile',
    look: asked(image('gray?fmt=png'), colourOf),
    byDefault: '96,96,96',
    // (96/255)^1.8 is 0.172, which sRGB writes as 115.
    seen: '115,115,115',
  },
  {
    setting: 'manifest.iccblackpointcompensation',
    value: false,
    beside: withPress,
    request: '/is/image/tagged?fmt=tif&icc=press.icc, beside the same with all of `icc`',
    look: sameAs(image('tagged?fmt=tif&icc=press.icc'), 'icc=press.icc,relative,1', 'icc=press.icc,relative,0'),
    byDefault: 'as icc=press.icc,relative,1',
    seen: 'as icc=press.icc,relative,0',
  },
  {
    setting: 'manifest.iccdither',
    value: true,
    request: '/is/image/tagged?fmt=png&icc=AdobeRGB, beside the same with all of `icc`',
    look: sameAs(image('tagged?fmt=png&icc=AdobeRGB'), 'icc=AdobeRGB,relative,1,0', 'icc=AdobeRGB,relative,1,1'),
    byDefault: 'as icc=AdobeRGB,relative,1,0',
    seen: 'as icc=AdobeRGB,relative,1,1',
  },
  {
    setting: 'manifest.iccrenderintent',
    value: 'absolute',
    beside: withPress,
    request: '/is/image/tagged?fmt=tif&icc=press.icc, beside the same with `icc` and an intent',
    look: sameAs(image('tagged?fmt=tif&icc=press.icc'), 'icc=press.icc,relative', 'icc=press.icc,absolute'),
    byDefault: 'as icc=press.icc,relative',
    seen: 'as icc=press.icc,absolute',
  },
];

/** Files of entries below a folder of the cache; 0 where there is none. */
async function entriesIn(folder: string): Promise<number> {
  const files = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return files.filter((file) => file.isFile() && /[/\\]/.test(file.parentPath.slice(folder.length))).length;
}

describe('settings of the original', () => {
  testSettings(place, [...ROWS_OF_SECTIONS, ...ROWS_OF_MANIFEST]);

  it('are all in the table', () => {
    const sections = ROWS.filter(({ group }) => ['ptiffManager', 'imageServer', 'platformServer'].includes(group));
    const properties = MANIFEST.filter(({ documented }) => documented !== null);
    expect(ROWS_OF_SECTIONS.map(({ setting }) => setting)).toEqual(sections.map(qualifiedName));
    expect(ROWS_OF_MANIFEST.map(({ setting }) => setting)).toEqual(properties.map(({ name }) => `manifest.${name}`));
  });

  it('AllowRemoteAccess false: an address that others reach is refused', async () => {
    const folder = await place.prepare({ ImageServer: { AllowRemoteAccess: false }, Server: { host: '0.0.0.0' } });
    await expect(readConfig({ file: join(folder, 'server.json'), env: {} })).rejects.toThrow(
      /AllowRemoteAccess is false, so Server.host must be a loopback address .* got "0.0.0.0"/,
    );
  });
});
