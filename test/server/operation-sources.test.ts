/** Images that are replaced while they are served, and images whose pyramids are made when they are first asked for. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { expect, it } from 'vitest';
import { colourOf, image, usesOf } from './settings.js';
import { type Document, type Running, until, usePlace, write } from './start.js';

const place = usePlace();

function picture(width: number, height: number, background: string): Promise<Buffer> {
  return sharp({ create: { width, height, channels: 3, background } })
    .png({ compressionLevel: 1 })
    .toBuffer();
}

/** Starts a server that has a folder `pictures` before the images of all. */
async function start(server: Document[string], files: Readonly<Record<string, Uint8Array>>): Promise<Running> {
  const folder = await place.prepare({ Server: { roots: ['pictures'], ...server } });
  for (const [name, bytes] of Object.entries(files)) await write(join(folder, 'pictures', name), bytes);
  return place.start(folder);
}

/** Asks until a picture has a colour; all replies have to be pictures. */
async function untilColour(server: Running, target: string, colour: string): Promise<string> {
  const look = async (): Promise<string> => {
    const reply = await server.ask(target);
    expect(reply.status).toBe(200);
    return colourOf(reply);
  };
  return until(look, (seen) => seen === colour);
}

it('a replaced image is seen when it is looked at again, and not before', async () => {
  const server = await start({}, { 'one.png': await picture(80, 60, '#800000') });
  try {
    const target = image('one?fmt=png');
    expect(await untilColour(server, target, '128,0,0')).toBe('128,0,0');
    await write(join(server.folder, 'pictures', 'one.png'), await picture(80, 60, '#000080'));
    expect(await usesOf(server, target)).toBe('REUSED');
    expect(await colourOf(await server.ask(target))).toBe('128,0,0');
    expect(await untilColour(server, `${target}&cache=validate`, '0,0,128')).toBe('0,0,128');
    expect(await colourOf(await server.ask(target))).toBe('0,0,128');
  } finally {
    await server.close();
  }
});

it('a replaced image is seen by itself when replies are looked at again each time', async () => {
  const server = await start({ cacheValidateSeconds: 0 }, { 'one.png': await picture(80, 60, '#800000') });
  try {
    const target = image('one?fmt=png');
    expect(await untilColour(server, target, '128,0,0')).toBe('128,0,0');
    await write(join(server.folder, 'pictures', 'one.png'), await picture(80, 60, '#000080'));
    expect(await untilColour(server, target, '0,0,128')).toBe('0,0,128');
    expect(await usesOf(server, target)).toBe('VALIDATED');
  } finally {
    await server.close();
  }
});

it('a pyramid is made once, when its image is first asked for, and again when that is replaced', async () => {
  const server = await start(
    { library: 'library', ingestOnRequest: true, cacheValidateSeconds: 0 },
    { 'large.png': await picture(2500, 2000, '#800000'), 'small.png': await picture(80, 60, '#008000') },
  );
  try {
    const views = Array.from({ length: 8 }, (_, at) => server.ask(image(`large?wid=${100 + at}&fmt=png`)));
    for (const reply of await Promise.all(views))
      expect([reply.status, await colourOf(reply)]).toEqual([200, '128,0,0']);
    expect(await untilColour(server, image('small?fmt=png'), '0,128,0')).toBe('0,128,0');
    const rendition = join(server.folder, 'library', 'large.png', 'renditions', 'cqdam.pyramid.tiff');
    expect((await sharp(rendition).metadata()).width).toBe(2500);

    await write(join(server.folder, 'pictures', 'large.png'), await picture(2400, 1900, '#000080'));
    expect(await untilColour(server, image('large?wid=100&fmt=png'), '0,0,128')).toBe('0,0,128');
    expect((await sharp(rendition).metadata()).width).toBe(2400);
    const size = await server.ask(image('large?req=imageprops'));
    expect(size.text).toContain('image.width=2400\n');
  } finally {
    await server.close();
  }
  const logs = join(server.folder, 'logs');
  const name = (await readdir(logs)).find((each) => each.startsWith('ImageServer-')) ?? '';
  const log = await readFile(join(logs, name), 'utf8');
  expect(log.match(/ ingested path=\S+/g)?.map((line) => line.slice(line.indexOf('library')))).toEqual([
    'library/large.png/renditions/cqdam.pyramid.tiff',
    'library/small.png/renditions/cqdam.pyramid.tiff',
    'library/large.png/renditions/cqdam.pyramid.tiff',
  ]);
});
