/** Replaced images, records and catalogs: when they are seen, and that nobody sees two states at once. */
import { createHash } from 'node:crypto';
import { rename, rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import sharp from 'sharp';
import { afterEach, describe, expect, test } from 'vitest';
import { type Ask, ask, drive, pyramid, type RawReply, type Settings, Site, textOf } from './hostile.js';

const sites: Site[] = [];
afterEach(async () => {
  await Promise.all(sites.splice(0).map((site) => site.close()));
});

async function serve(files: Parameters<typeof Site.make>[0], settings: Settings = {}): Promise<Site> {
  const site = await Site.make(files);
  sites.push(site);
  await site.start(settings);
  return site;
}

const ALWAYS = { Server: { cacheValidateSeconds: 0 } };
const SELDOM = { Server: { cacheValidateSeconds: 86_400 } };

/** Puts another file in the place of one, as tools do: written beside it and renamed. */
async function replace(site: Site, path: string, content: Uint8Array | string): Promise<void> {
  await site.write('incoming', content);
  await rename(join(site.folder, 'incoming'), join(site.folder, path));
}

/** Colour of the middle of a picture. */
async function colourOf({ status, body }: RawReply): Promise<string> {
  if (status !== 200) return String(status);
  const { data, info } = await sharp(body).raw().toBuffer({ resolveWithObject: true });
  const at = (Math.floor(info.height / 2) * info.width + Math.floor(info.width / 2)) * info.channels;
  return data.subarray(at, at + 3).toString('hex');
}

const shown = async (site: Site, target: string): Promise<string> =>
  colourOf(await ask(site.port, `/is/image/${target}`));
const uses = (site: Site, use: string): Promise<number> => site.metric('pyramidion_cache_requests_total', { use });
const renders = (site: Site): Promise<number> =>
  site.metric('pyramidion_stage_duration_seconds_count', { stage: 'render' });

/** Resolves when it is so; the test's own time is the limit. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await wait(10);
}

const [RED, GREEN, BLUE] = ['ff0000', '00ff00', '0000ff'];
const plain = (colour: string): Promise<Buffer> => pyramid(64, 48, `#${colour}`);

describe('a replaced image', () => {
  test('is seen at once where each request looks, by whatever name and however it is asked for', async () => {
    const site = await serve({ 'images/a.tif': await plain(RED) }, ALWAYS);
    const targets = [
      'a?wid=10&fmt=png',
      'a.tif?fmt=png',
      '/a?wid=20&fmt=tif',
      'a?req=tmb&fmt=png',
      'nothing?defaultImage=a&fmt=png',
    ];
    for (const colour of [RED, GREEN, BLUE, RED, GREEN]) {
      await replace(site, 'images/a.tif', await plain(colour));
      for (const target of targets)
        for (let again = 0; again < 2; again++) expect([target, await shown(site, target)]).toEqual([target, colour]);
    }
    // Two of them are one picture.
    const told = await Promise.all(['CREATED', 'UPDATED', 'VALIDATED', 'REUSED'].map((use) => uses(site, use)));
    expect(told).toEqual([4, 16, 30, 0]);
  });

  test('is seen when its time has come, and not before, and never the old one after the new one', async () => {
    const site = await serve({ 'images/a.tif': await plain(RED) }, { Server: { cacheValidateSeconds: 1 } });
    const seen: string[] = [await shown(site, 'a?fmt=png')];
    await replace(site, 'images/a.tif', await plain(GREEN));
    await until(async () => {
      const colour = await shown(site, 'a?fmt=png');
      if (colour !== seen.at(-1)) seen.push(colour);
      return colour === GREEN;
    });
    for (let again = 0; again < 20; again++) seen.push(await shown(site, `a?fmt=png&id=${again}`));
    expect(new Set(seen.slice(1))).toEqual(new Set([GREEN]));
  });

  test.each(['validate', 'update'])('is seen at once by cache=%s, and from then on by all', async (control) => {
    const site = await serve({ 'images/a.tif': await plain(RED) }, SELDOM);
    expect(await shown(site, 'a?fmt=png')).toBe(RED);
    await replace(site, 'images/a.tif', await plain(GREEN));
    expect(await shown(site, 'a?fmt=png')).toBe(RED);
    expect(await shown(site, `a?fmt=png&cache=${control}`)).toBe(GREEN);
    expect(await shown(site, 'a?fmt=png')).toBe(GREEN);
    expect(await shown(site, 'a?fmt=png&id=1')).toBe(GREEN);
  });

  test('cache=off shows what is there, and leaves what is kept', async () => {
    const site = await serve({ 'images/a.tif': await plain(RED) }, SELDOM);
    expect(await shown(site, 'a?fmt=png')).toBe(RED);
    await replace(site, 'images/a.tif', await plain(GREEN));
    expect(await shown(site, 'a?fmt=png&cache=off')).toBe(GREEN);
    expect(await shown(site, 'a?fmt=png&cache=on,off')).toBe(GREEN);
    expect(await shown(site, 'a?fmt=png')).toBe(RED);
    expect([await uses(site, 'IGNORED'), await site.metric('pyramidion_cache_memory_entries')]).toEqual([2, 1]);
  });

  test('is seen at once after a purge, on disk as in memory', async () => {
    const site = await serve(
      { 'images/a.tif': await plain(RED), 'images/b.tif': await plain(BLUE) },
      { ...SELDOM, PlatformServer: { 'Cache roots': ['cache'] } },
    );
    for (const target of ['a?wid=10&fmt=png', 'a?wid=20&fmt=png', 'b?wid=10&fmt=png']) await shown(site, target);
    await until(async () => (await site.metric('pyramidion_cache_disk_entries')) === 3);
    await replace(site, 'images/a.tif', await plain(GREEN));
    await replace(site, 'images/b.tif', await plain(RED));
    expect((await ask(site.port, '/is/image/a', { method: 'PURGE' })).body.toString()).toBe('purged 2\n');
    expect(
      await Promise.all(
        ['a?wid=10&fmt=png', 'a?wid=20&fmt=png', 'b?wid=10&fmt=png'].map((target) => shown(site, target)),
      ),
    ).toEqual([GREEN, GREEN, BLUE]);
    await ask(site.port, '/is/image', { method: 'PURGE' });
    expect(await shown(site, 'b?wid=10&fmt=png')).toBe(RED);
  });

  test('that is gone is gone where each request looks, and there again when it is', async () => {
    const site = await serve({ 'images/a.tif': await plain(RED) }, ALWAYS);
    expect(await shown(site, 'a?fmt=png')).toBe(RED);
    await rm(join(site.root, 'a.tif'));
    expect(await shown(site, 'a?fmt=png')).toBe('403');
    // That it was not there is not kept for longer than a look-up is.
    await replace(site, 'images/a.tif', await plain(GREEN));
    await until(async () => (await shown(site, 'a?fmt=png')) === GREEN);
  });

  test('that cannot be read leaves nothing of the old one', async () => {
    const site = await serve({ 'images/a.tif': await plain(RED) }, ALWAYS);
    expect(await shown(site, 'a?fmt=png')).toBe(RED);
    await replace(site, 'images/a.tif', (await plain(GREEN)).subarray(0, 300));
    expect(await shown(site, 'a?fmt=png')).toBe('403');
    expect(await site.metric('pyramidion_cache_memory_entries')).toBe(0);
    await replace(site, 'images/a.tif', await plain(BLUE));
    expect(await shown(site, 'a?fmt=png')).toBe(BLUE);
  });
});

describe('while it is replaced under load', () => {
  const TURNS = 40;
  const QUERIES = [
    'wid=40&fmt=png',
    'wid=33&hei=20&fmt=jpeg',
    'rect=0,0,64,64&scl=1&fmt=png',
    'rotate=30&wid=50&fmt=tif',
    'crop=3,5,40,30&fmt=webp,,lossless',
  ];

  /** Replies of the whole of each state, by query. */
  async function known(site: Site, states: readonly Uint8Array[]): Promise<Map<string, string[]>> {
    const all = new Map<string, string[]>(QUERIES.map((query) => [query, []]));
    for (const state of states) {
      await replace(site, 'images/a.tif', state);
      for (const query of QUERIES)
        all.get(query)?.push(digestOf(await ask(site.port, `/is/image/a?${query}&cache=off`)));
    }
    return all;
  }

  async function noise(seed: number): Promise<Buffer> {
    const pixels = Buffer.alloc(200 * 150 * 3);
    for (let at = 0, state = seed; at < pixels.length; at++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      pixels[at] = state >>> 24;
    }
    const raw = { width: 200, height: 150, channels: 3 } as const;
    return sharp(pixels, { raw })
      .tiff({ tile: true, pyramid: true, tileWidth: 64, tileHeight: 64, compression: 'none' })
      .toBuffer();
  }

  test.each([
    ['renamed files, each request looks', 0, replace],
    ['renamed files, some requests look', 0.05, replace],
    [
      'files written in place',
      0,
      (site: Site, path: string, content: Uint8Array) => writeFile(join(site.folder, path), content),
    ],
  ] as const)('each reply is wholly of one state: %s', async (_, cacheValidateSeconds, put) => {
    const states = await Promise.all([1, 2, 3].map(noise));
    const site = await serve({ 'images/a.tif': states[0] ?? '' }, { Server: { cacheValidateSeconds } });
    const whole = await known(site, states);
    const others: string[] = [];
    const counts = new Map<string, number>();
    const onReply = ({ target }: Ask, reply: RawReply | null): void => {
      const query = target.slice(target.indexOf('?') + 1).replace(/&cache=.*$/, '');
      const at = reply === null ? -1 : (whole.get(query)?.indexOf(digestOf(reply)) ?? -1);
      // A file that is being written is no image, and one that changes for too long is for later.
      const isError = put !== replace && (reply?.status === 403 || reply?.status === 503);
      const name = at >= 0 ? `state ${at}` : String(reply?.status);
      counts.set(name, (counts.get(name) ?? 0) + 1);
      if (at < 0 && !isError) others.push(`${target}: ${reply?.status} ${reply?.body.toString('latin1', 0, 100)}`);
    };
    let isDone = false;
    const controls = ['', '', '&cache=validate', '&cache=update', '&cache=off'];
    function* asks(): Generator<Ask> {
      for (let i = 0; !isDone; i++)
        yield {
          method: 'GET',
          target: `/is/image/a?${QUERIES[i % QUERIES.length]}${controls[(i >> 3) % controls.length]}`,
        };
    }
    const driving = drive(asks(), { port: site.port, connections: 6, depth: 2, onReply });
    for (let turn = 0; turn < TURNS; turn++) {
      await put(site, 'images/a.tif', states[turn % states.length] ?? Buffer.alloc(0));
      const served = [...counts.values()].reduce((a, b) => a + b, 0);
      await until(async () => [...counts.values()].reduce((a, b) => a + b, 0) > served + 5);
    }
    isDone = true;
    await driving;
    expect(others.slice(0, 3)).toEqual([]);
    expect(states.every((_, at) => (counts.get(`state ${at}`) ?? 0) > 10)).toBe(true);
    // What was there last is what is seen in the end.
    for (const query of QUERIES)
      expect([query, digestOf(await ask(site.port, `/is/image/a?${query}&cache=validate`))]).toEqual([
        query,
        whole.get(query)?.[(TURNS - 1) % states.length],
      ]);
  });

  function digestOf({ body }: RawReply): string {
    return createHash('md5').update(body).digest('hex');
  }
});

describe('what is said of images', () => {
  const record = (fields: object): string => JSON.stringify(fields);

  test('a record of a folder counts as soon as it is written, whatever is kept', async () => {
    const site = await serve(
      {
        'images/a.jpg/renditions/cqdam.pyramid.tiff': await plain(RED),
        'images/a.jpg/record.json': record({ modifier: 'wid=10' }),
      },
      SELDOM,
    );
    const width = async (): Promise<number> =>
      (await sharp((await ask(site.port, '/is/image/a.jpg?fmt=png')).body).metadata()).width;
    expect(await width()).toBe(10);
    for (const wid of [20, 30]) {
      await replace(site, 'images/a.jpg/record.json', record({ modifier: `wid=${wid}`, expirationMs: 1000 * wid }));
      const seen = new Set<number>();
      await until(async () => seen.add(await width()).has(wid));
      // For a moment the old one may be known still, but nothing else, and not again.
      expect([...seen]).toEqual(seen.size === 1 ? [wid] : [wid - 10, wid]);
      for (let again = 0; again < 10; again++) expect(await width()).toBe(wid);
      expect((await ask(site.port, '/is/image/a.jpg?fmt=png')).headers.get('cache-control')).toBe(
        `public, max-age=${wid}`,
      );
    }
    await rm(join(site.root, 'a.jpg/record.json'));
    await until(async () => (await width()) === 64);
  });

  test('manifest, presets, catalogs and the configuration count when they are changed', async () => {
    const site = await serve(
      {
        'images/a.tif': await plain(RED),
        'images/conf/global/settings/dam/dm/imageserver/manifest.json': record({ bkgcolor: 'ff0000' }),
        'images/conf/global/settings/dam/dm/presets/macros.json': record({ size: 'wid=11' }),
        'catalog/default.ini': '',
        'catalog/shop.ini': 'RootId = shop\nCatalogFile = shop.tsv\n',
        'catalog/shop.tsv': 'Id\tPath\tModifier\nx\ta.tif\twid=12\n',
      },
      { ...SELDOM, presets: { other: 'wid=13' } },
    );
    const look = async (): Promise<string> => {
      const of = async (target: string) => sharp((await ask(site.port, `/is/image/${target}`)).body);
      const width = async (target: string) => (await (await of(target)).metadata()).width;
      const ground = await (await of('a?wid=20&hei=60&fmt=png'))
        .extract({ left: 1, top: 1, width: 1, height: 1 })
        .raw()
        .toBuffer();
      return [ground.toString('hex'), ...(await Promise.all(['a?$size$', 'shop/x', 'a?$other$'].map(width)))].join();
    };
    expect(await look()).toBe(`${RED},11,12,13`);
    await replace(site, 'images/conf/global/settings/dam/dm/imageserver/manifest.json', record({ bkgcolor: '00ff00' }));
    await replace(site, 'images/conf/global/settings/dam/dm/presets/macros.json', record({ size: 'wid=21' }));
    await replace(site, 'catalog/shop.tsv', 'Id\tPath\tModifier\nx\ta.tif\twid=22\n');
    await replace(site, 'catalog/shop.ini', 'RootId = shop\nCatalogFile = shop.tsv\nExpiration = 1\n');
    await site.configure({ ...SELDOM, presets: { other: 'wid=23' } });
    await until(async () => (await look()) === `${GREEN},21,22,23`);
    for (let again = 0; again < 10; again++) expect(await look()).toBe(`${GREEN},21,22,23`);
  });

  test('where time stamps decide, an image counts as new when its record says so, and not before', async () => {
    const catalog = (stamp: number): string => `Id\tPath\tTimeStamp\nx\ta.tif\t${stamp}\ny\ta.tif\t1000\n`;
    const site = await serve(
      {
        'images/a.tif': await plain(RED),
        'catalog/default.ini': '',
        'catalog/shop.ini': 'RootId = shop\nCatalogFile = shop.tsv\nCacheValidationPolicy = 1\n',
        'catalog/shop.tsv': catalog(1000),
      },
      { ...ALWAYS, PlatformServer: { 'Cache roots': ['cache'] } },
    );
    for (const name of ['x', 'y']) expect(await shown(site, `shop/${name}?fmt=png&id=${name}`)).toBe(RED);
    await replace(site, 'images/a.tif', await plain(GREEN));
    expect(await shown(site, 'shop/x?fmt=png')).toBe(RED);
    await replace(site, 'catalog/shop.tsv', catalog(Date.now()));
    await replace(
      site,
      'catalog/shop.ini',
      'RootId = shop\nCatalogFile = shop.tsv\nCacheValidationPolicy = 1\nExpiration = 1\n',
    );
    await until(async () => (await shown(site, 'shop/x?fmt=png')) === GREEN);
    for (let again = 0; again < 5; again++) expect(await shown(site, 'shop/x?fmt=png')).toBe(GREEN);
    expect(await shown(site, 'shop/y?fmt=png&cache=validate')).toBe(GREEN);
  });
});

describe('one making for all who ask', () => {
  /** Takes a second or so. */
  const HEAVY = 'wid=2000&hei=1500&fit=stretch,1&op_usm=2,60&fmt=png';
  const spellings = Array.from(
    { length: 200 },
    (_, i) =>
      `/is/image/a?${i % 3 === 0 ? `id=${i}&` : ''}${i % 2 === 0 ? HEAVY : HEAVY.split('&').toReversed().join('&').toUpperCase().replace('FIT=STRETCH', 'fit=stretch')}`,
  );

  test('200 at the same time, of several spellings: one render', async () => {
    const site = await serve({ 'images/a.tif': await pyramid(700, 500, '#123456') });
    const replies = await Promise.all(spellings.map((target) => ask(site.port, target)));
    expect(
      new Set(replies.map(({ status, headers, body }) => `${status} ${headers.get('etag')} ${body.length}`)).size,
    ).toBe(1);
    expect(replies[0]?.status).toBe(200);
    const [joined, created, reused] = [
      await site.metric('pyramidion_cache_joined_total'),
      await uses(site, 'CREATED'),
      await uses(site, 'REUSED'),
    ];
    console.log(
      `200 concurrent misses: ${await renders(site)} render, ${joined} joined it, ${created} told CREATED, ${reused} REUSED`,
    );
    expect(await renders(site)).toBe(1);
    expect(joined + reused).toBe(199);
    expect(created + reused).toBe(200);
    expect(joined).toBeGreaterThan(100);
  });

  test('whoever leaves leaves the others their reply; when all have left, the work ends and nothing is kept', async () => {
    const site = await serve(
      { 'images/a.tif': await pyramid(700, 500, '#123456') },
      { Server: { deadlineSeconds: 0 } },
    );
    const leave = async (count: number): Promise<void> => {
      const leaving = spellings.slice(0, count).map((target) => leavingAsk(site.port, target));
      await until(async () => (await site.metric('pyramidion_requests_in_flight')) >= count);
      await until(async () => (await site.metric('pyramidion_renders', { state: 'running' })) === 1);
      for (const end of leaving) end();
    };
    await leave(50);
    await until(async () => (await site.metric('pyramidion_requests_in_flight')) === 0);
    await until(async () => (await site.metric('pyramidion_renders', { state: 'running' })) === 0);
    expect([
      await renders(site),
      await site.metric('pyramidion_cache_memory_entries'),
      await site.metric('pyramidion_cache_in_flight'),
    ]).toEqual([0, 0, 0]);
    const stays = ask(site.port, spellings[60] ?? '');
    await leave(50);
    expect((await stays).status).toBe(200);
    expect([await renders(site), await site.metric('pyramidion_cache_memory_entries')]).toEqual([1, 1]);
  });
});

/** Asks, and yields what ends the connection. */
function leavingAsk(port: number, target: string): () => void {
  const socket = createConnection({ port, host: '127.0.0.1' }, () => socket.write(textOf({ method: 'GET', target })));
  socket.on('error', () => {});
  return () => socket.destroy();
}

test('errors are kept by nobody', async () => {
  const site = await serve({ 'images/a.tif': await plain(RED) }, SELDOM);
  for (const target of [
    'b?wid=9',
    'a?wid=x',
    'a?wid=5000&fit=fit,1',
    'a?fmt=nothing',
    'a?icc=nothing',
    'a?$nothing$',
  ]) {
    const { status, headers } = await ask(site.port, `/is/image/${target}`);
    expect([target, status, headers.get('cache-control')]).toEqual([target, 403, 'no-store']);
  }
  expect(await site.metric('pyramidion_cache_memory_entries')).toBe(0);
  await replace(site, 'images/b.tif', await plain(GREEN));
  await until(async () => (await shown(site, 'b?wid=9&fmt=png')) === GREEN);
});

test('an orderly restart finds what was kept, and looks whether it still counts', async () => {
  const disk = { PlatformServer: { 'Cache roots': ['cache one', 'cache-two'] } };
  const site = await serve(
    { 'images/a.tif': await plain(RED), 'images/b.tif': await plain(RED) },
    { ...SELDOM, ...disk },
  );
  const targets = Array.from({ length: 30 }, (_, i) =>
    ['a', 'b'].map((name) => `${name}?wid=${i + 10}&fmt=png`),
  ).flat();
  for (const target of targets) expect(await shown(site, target)).toBe(RED);
  await site.stop();
  await replace(site, 'images/b.tif', await plain(GREEN));
  await site.start({ ...SELDOM, ...disk });
  for (const target of targets.filter((each) => each.startsWith('a'))) expect(await shown(site, target)).toBe(RED);
  expect([await renders(site), await uses(site, 'REUSED')]).toEqual([0, 30]);
  await site.stop();
  await site.start({ ...ALWAYS, ...disk });
  for (const target of targets)
    expect([target, await shown(site, target)]).toEqual([target, target.startsWith('a') ? RED : GREEN]);
  expect([await renders(site), await uses(site, 'VALIDATED'), await uses(site, 'UPDATED')]).toEqual([30, 30, 30]);
});
