/** What shares an entry of the cache, and what must not. */
import fc from 'fast-check';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ask, drive, type RawReply, Site } from './hostile.js';
import { asks } from './hostile-urls.js';

let site: Site;

beforeAll(async () => {
  const noise = {
    create: {
      width: 320,
      height: 240,
      channels: 3,
      background: '#8090a0',
      noise: { type: 'gaussian', mean: 128, sigma: 60 },
    },
  } as const;
  const picture = await sharp(noise).tiff({ tile: true, pyramid: true, tileWidth: 64, tileHeight: 64 }).toBuffer();
  site = await Site.make({
    'images/photo.tif': picture,
    'images/other.tif': await sharp(picture)
      .negate()
      .tiff({ tile: true, pyramid: true, tileWidth: 64, tileHeight: 64 })
      .toBuffer(),
    'catalog/default.ini': 'MaxPix = 200,200\nMacroFile = macros.tsv\n',
    'catalog/macros.tsv': 'Name\tDefinition\nfifty\twid=50\nnested\t$fifty$&fmt=jpeg\n',
    'catalog/shop.ini':
      'RootId = shop\nCatalogFile = shop.tsv\nMacroFile = own.tsv\nJpegQuality = 40\nBkgColor = ff0000\n',
    'catalog/shop.tsv': 'Id\tPath\tModifier\tPostModifier\nshoe\tphoto.tif\twid=70\t\nboot\tphoto.tif\t\tfmt=png\n',
    'catalog/own.tsv': 'Name\tDefinition\nfifty\twid=60\n',
  });
  await site.start();
});
afterAll(() => site?.close());

const entries = (): Promise<number> => site.metric('pyramidion_cache_memory_entries');
const renders = (): Promise<number> => site.metric('pyramidion_stage_duration_seconds_count', { stage: 'render' });
const uses = (use: string): Promise<number> => site.metric('pyramidion_cache_requests_total', { use });

async function picture(target: string): Promise<RawReply> {
  const reply = await ask(site.port, target);
  expect([target, reply.status, reply.status === 200 ? '' : reply.body.toString()]).toEqual([target, 200, '']);
  return reply;
}

describe('spellings of one request have one entry', () => {
  const spellings = [
    ...[
      'WID=50',
      '%77id=50',
      'wid=%35%30',
      'wid=50.0',
      'wid=5e1',
      'wid=+50',
      'wid=9&wid=50',
      'wid=050',
      '&&wid=50&',
      '.a=b&wid=50',
      'wid=50&.&.x',
    ],
    ...[
      'unknown=1&wid=50',
      'id=7&wid=50',
      '$x=50&wid=$x$',
      '$fifty$',
      '$FIFTY$',
      '$nested$',
      '$fifty$&$x=9',
      'wid=9&$fifty$',
      'handler=abc&wid=50',
    ],
    ...[
      'fmt=jpeg',
      'fmt=jpg',
      'FMT=JPEG',
      'fmt=png&fmt=jpeg',
      'qlt=80',
      'qlt=80,0',
      'resMode=sharp2',
      'resMode=sharp',
      'bgc=ffffff',
      'bgc=255,255,255',
    ],
    ...[
      'fit=fit',
      'fit=fit,0',
      'align=0,0',
      'rotate=0',
      'rotate=360',
      'rotate=-720',
      'scale=1',
      'size=0,0',
      'extend=0,0,0,0',
      'extendN=0,0,0,0',
      'cropN=0,0,1,1',
    ],
    ...[
      'anchor=3,4',
      'anchorN=0,0',
      'op_sharpen=0',
      'sharpen=0',
      'op_usm=0',
      'op_usm=1,0',
      'op_usmR=0,9',
      'iccEmbed=0',
      'xmpEmbed=0',
      'pscan=auto',
    ],
    ...[
      'jpegSize=0',
      'quantize=adaptive,diffuse',
      'dpr=off',
      'dpr=on,1',
      'cache=on',
      'bfc=off',
      'network=off',
      'defaultImage=other',
      'req=img',
      'layer=0',
      'layer=comp',
      'layer=0,a&layer=a',
    ],
  ].map((query) => (/wid|x=|\$/i.test(query) ? query : `wid=50&${query}`));
  const paths = [
    '/is/image/photo',
    '/is/image/photo.tif',
    '/is/image//photo',
    '/is/image/%70hot%6F',
    'http://any/is/image/photo',
  ];

  test.each([...spellings.map((query) => `/is/image/photo?${query}`), ...paths.map((path) => `${path}?wid=50`)])(
    '%s',
    async (target) => {
      const first = await picture('/is/image/photo?wid=50');
      const [before, rendered] = [await entries(), await renders()];
      const reply = await picture(target);
      expect(reply.headers.get('etag')).toBe(first.headers.get('etag'));
      expect({ entries: await entries(), renders: await renders() }).toEqual({ entries: before, renders: rendered });
    },
  );

  test('in any order', async () => {
    const commands = ['wid=33', 'hei=44', 'fit=crop', 'fmt=png', 'bgc=00ff00', 'rotate=90', 'resMode=bilin'];
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray(commands, { minLength: commands.length }), async (shuffled) => {
        await picture(`/is/image/photo?${shuffled.join('&')}`);
      }),
      { numRuns: 20 },
    );
    const [before, rendered, reused] = [await entries(), await renders(), await uses('REUSED')];
    await picture(`/is/image/photo?${commands.toReversed().join('&')}&id=last`);
    expect([await entries(), await renders(), await uses('REUSED')]).toEqual([before, rendered, reused + 1]);
  });

  test('a record and what it stands for, within a catalog', async () => {
    const first = await picture('/is/image/shop/shoe');
    const rendered = await renders();
    expect((await picture('/is/image/shop/shoe?wid=70')).headers.get('etag')).toBe(first.headers.get('etag'));
    expect(await renders()).toBe(rendered);
  });
});

describe('requests that differ have entries of their own', () => {
  const different = [
    ...[
      'wid=51',
      'hei=50',
      'wid=50&hei=50',
      'wid=50&fmt=png',
      'wid=50&qlt=81',
      'wid=50&qlt=80,1',
      'wid=50&bgc=000000&hei=60',
      'wid=50&flip=lr',
      'wid=50&flip=ud',
      'wid=50&rotate=180',
    ],
    ...[
      'wid=50&crop=0,0,100,100',
      'wid=50&crop=1,0,100,100',
      'wid=50&cropN=0,0,0.5,0.5',
      'wid=50&resMode=bilin',
      'wid=50&op_usm=1,1',
      'wid=50&op_usmR=1,1',
      'wid=50&op_sharpen=1',
    ],
    ...[
      'wid=50&iccEmbed=1',
      'wid=50&icc=AdobeRGB',
      'wid=50&icc=AdobeRGB,perceptual',
      'wid=50&fmt=jpeg,gray',
      'wid=50&fmt=pjpeg',
      'wid=50&jpegSize=1',
      'wid=50&dpr=on,2',
      'wid=50&printRes=300',
    ],
    ...[
      'wid=50&rect=0,0,20,20',
      'wid=50&rect=1,0,20,20',
      'wid=50&rgn=0,0,100,100',
      'wid=50&scale=0.5&rgn=0,0,100,100',
      'wid=50&extend=1,2,3,4',
      'wid=50&rotate=30',
      'wid=50&rotate=30&anchor=0,0',
    ],
    ...[
      'wid=50&fmt=png8',
      'wid=50&fmt=png8&quantize=web',
      'wid=50&fmt=png8&quantize=adaptive,off,16',
      'wid=50&req=tmb',
      'wid=50&hei=50&fit=crop&align=1,1',
      'scl=2',
      'scl=3',
      'layer=0&flip=lr&layer=comp&wid=50',
    ],
  ];

  test('also from their catalogs', async () => {
    const found = new Map<string, string>();
    for (const path of ['photo', 'other', 'shop/photo', 'shop/boot', 'shop/shoe'])
      for (const query of ['wid=50&hei=60&rotate=45', '$fifty$&hei=60&rotate=45']) {
        const { body } = await picture(`/is/image/${path}?${query}`);
        found.set(`${path} ${query.slice(0, 3)}`, body.toString('base64'));
      }
    // A macro of the catalog hides the default one; record and path of one picture differ in nothing here.
    expect(found.get('photo wid')).toBe(found.get('photo $fi'));
    const distinct = ['photo wid', 'other wid', 'shop/photo wid', 'shop/photo $fi', 'shop/boot wid', 'shop/boot $fi'];
    expect(new Set(distinct.map((name) => found.get(name))).size).toBe(distinct.length);
  });

  test('each is made, and is the same as without a cache', async () => {
    for (const query of different) {
      const [before] = [await entries()];
      const kept = await picture(`/is/image/photo?${query}`);
      expect([query, await entries()]).toEqual([query, before + 1]);
      const made = await picture(`/is/image/photo?${query}&cache=off`);
      expect([query, kept.body.equals(made.body)]).toEqual([query, true]);
      expect([query, await entries()]).toEqual([query, before + 1]);
    }
    const tags = await Promise.all(
      different.map(async (query) => (await picture(`/is/image/photo?${query}`)).headers.get('etag')),
    );
    const twins = different.filter((_, at) => tags.indexOf(tags[at]) !== at);
    // What comes to the same picture by other steps.
    const known = ['wid=50&op_usmR=1,1', 'wid=50&icc=AdobeRGB,perceptual', 'wid=50&rgn=0,0,100,100'];
    expect(twins).toEqual([...known, 'layer=0&flip=lr&layer=comp&wid=50']);
  });

  test('of generated requests, a kept reply is always what would be made', async () => {
    const names = {
      objects: ['photo', 'photo', 'other', 'shop/shoe', 'shop/boot', 'shop/photo'],
      catalogs: ['shop'],
      macros: ['fifty', 'nested'],
    };
    const targets = fc
      .sample(asks(names), { numRuns: 3000, seed: 77 })
      .filter(
        ({ target, isAlone }) =>
          isAlone !== true &&
          /^\/is\/image\/[^?]*\?/.test(target) &&
          target.length < 1000 &&
          !/cache|req=|%72eq|handler|&id=/i.test(target),
      )
      .map(({ target }) => target);
    const replies = new Map<string, RawReply | null>();
    const run = (suffix: string) =>
      drive(targets.map((target) => ({ method: 'GET', target: target + suffix })).values(), {
        port: site.port,
        connections: 4,
        depth: 4,
        onReply: ({ target }, reply) => replies.set(target, reply),
      });
    await run('');
    await run('&cache=off');
    const said = (reply: RawReply | null | undefined) =>
      `${reply?.status} ${reply?.headers.get('content-type')} ${reply?.body.toString('latin1')}`;
    const wrong = targets.filter((target) => said(replies.get(target)) !== said(replies.get(`${target}&cache=off`)));
    expect(wrong.slice(0, 5)).toEqual([]);
    const shown = targets.filter((target) => replies.get(target)?.status === 200);
    expect(shown.length).toBeGreaterThan(500);
  });
});
