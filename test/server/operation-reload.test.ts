/** Catalogs, manifest and presets are changed while requests come: each reply is of the old state or of the new one. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { image, told } from './settings.js';
import { type Answered, type Document, until, usePlace, write, writeConfig } from './start.js';

const place = usePlace();

/** Something that can be changed: in two of its values at once, so that a mixture would be seen. */
interface Changeable {
  readonly name: string;
  readonly request: string;
  readonly write: (folder: string, width: number, number: number) => Promise<void>;
  /** What a reply tells of both. */
  readonly show: (reply: Answered) => Promise<string>;
  readonly spoil: (folder: string) => Promise<void>;
  readonly complaint: string;
}

/** Width of the picture, and seconds that it may be kept. */
const showPicture = async (reply: Answered): Promise<string> =>
  `${(await told(reply)).replace(/^200 |×.*$/g, '')} ${/\d+$/.exec(String(reply.headers['cache-control']))?.[0]}`;

const SETTINGS = ['conf', 'global', 'settings', 'dam', 'dm'];
const QUICK = { catalogRefreshMs: 100, catalogWaitMs: 0 };

/** A repository of its own for each server: what it says is for that server alone. */
function settings(folder: string, ...names: readonly string[]): string {
  return join(folder, 'repository', ...SETTINGS, ...names);
}

function configOf(folder: string, rest: Document = {}): Document {
  return { ...rest, Server: { port: 0, roots: [join(folder, 'repository'), place.images], ...QUICK } };
}

const CHANGEABLE: readonly Changeable[] = [
  {
    name: 'manifest.json',
    request: image('photo'),
    write: (folder, width, number) =>
      write(
        settings(folder, 'imageserver', 'manifest.json'),
        JSON.stringify({ defaultpix: `${width},0`, expiration: number * 1000 }),
      ),
    show: showPicture,
    spoil: (folder) => write(settings(folder, 'imageserver', 'manifest.json'), '{ "defaultpix": "1,1", '),
    complaint: 'a file of the library cannot be used',
  },
  {
    name: 'macros.json',
    request: image('photo?$size$&$format$&req=props'),
    write: (folder, width, number) =>
      write(
        settings(folder, 'presets', 'macros.json'),
        JSON.stringify({ size: `wid=${width}`, format: { quality: number } }),
      ),
    show: async ({ text }) => `${/image\.width=(\d+)/.exec(text)?.[1]} ${/image\.quality=(\d+)/.exec(text)?.[1]}`,
    spoil: (folder) => write(settings(folder, 'presets', 'macros.json'), '{ "size": "wid=1", "format": 5 }'),
    complaint: 'a file of the library cannot be used',
  },
  {
    name: 'shop.ini',
    request: image('shop/photo'),
    write: (folder, width, number) =>
      write(
        join(folder, 'catalog', 'shop.ini'),
        `RootId = shop\nDefaultPix = ${width},0\nExpiration = ${number / 3600}\n`,
      ),
    show: showPicture,
    spoil: (folder) =>
      write(join(folder, 'catalog', 'shop.ini'), 'RootId = shop\nDefaultPix = 1,1\nCatalogFile = missing.txt\n'),
    complaint: 'a file of the library cannot be used',
  },
  {
    name: 'manifest and presets of the configuration',
    request: image('photo?$size$'),
    write: (folder, width, number) =>
      writeConfig(folder, configOf(folder, { manifest: { expiration: number * 1000 }, presets: { size: { width } } })),
    show: showPicture,
    spoil: (folder) =>
      writeConfig(folder, configOf(folder, { manifest: { expiration: 'soon' }, presets: { size: 'wid=1' } })),
    complaint: 'the configuration cannot be used',
  },
];

async function serverLog(folder: string): Promise<string> {
  const names = await readdir(join(folder, 'logs'));
  const name = names.find((each) => each.startsWith('ImageServer-')) ?? '';
  return readFile(join(folder, 'logs', name), 'utf8');
}

describe.each(CHANGEABLE)('$name', ({ request, write: change, show, spoil, complaint }) => {
  it('counts when it is changed, all of it at once; spoilt, it goes on to count as it was; mended, it counts', async () => {
    const folder = await place.prepare();
    await writeConfig(folder, configOf(folder));
    await write(settings(folder, 'imageserver', 'manifest.json'), '{}');
    await write(join(folder, 'catalog', 'default.ini'), '');
    await change(folder, 200, 60);
    const server = await place.start(folder, true);
    try {
      /** Asks as many clients do, until each has seen a state; yields all states that were seen. */
      const seenUntil = async (state: string): Promise<string[]> => {
        const seen = new Set<string>();
        const look = async (): Promise<string> => {
          const found = await show(await server.ask(request));
          seen.add(found);
          return found;
        };
        await Promise.all(Array.from({ length: 4 }, () => until(look, (found) => found === state)));
        return [...seen].sort();
      };
      expect(await seenUntil('200 60')).toEqual(['200 60']);

      const [seen] = await Promise.all([seenUntil('100 90'), change(folder, 100, 90)]);
      expect(['100 90', '200 60']).toEqual(expect.arrayContaining(seen));

      await spoil(folder);
      const isTold = (text: string): boolean => text.includes(complaint);
      expect(await until(() => serverLog(folder), isTold)).toContain(complaint);
      expect(await seenUntil('100 90')).toEqual(['100 90']);

      const [mended] = await Promise.all([seenUntil('150 30'), change(folder, 150, 30)]);
      expect(['100 90', '150 30']).toEqual(expect.arrayContaining(mended));
    } finally {
      await server.close();
    }
  });
});

it('settings that are read at the start are named when they are changed, and go on as they were', async () => {
  const folder = await place.prepare();
  await writeConfig(folder, { Server: { port: 0, roots: [place.images], ...QUICK } });
  const server = await place.start(folder, true);
  try {
    await writeConfig(folder, {
      Server: { port: 0, roots: [place.images], ...QUICK, copyright: 'Somebody' },
      manifest: { defaultpix: '50,0' },
    });
    const waiting = 'Server.copyright count from the next start on';
    const log = await until(
      () => serverLog(folder),
      (text) => text.includes(waiting),
    );
    expect(log).toContain(waiting);
    expect((await server.ask('/is/image')).text).toContain('copyright=Pyramidion');
    expect(await told(await server.ask(image('photo')))).toBe('200 50×30');
  } finally {
    await server.close();
  }
});
