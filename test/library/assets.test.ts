import { execFileSync } from 'node:child_process';
import { mkdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Library, LibraryEvent, LibraryOptions } from '../../src/library/library.js';
import { makeFolder, openLibrary, write } from './support.js';

const RENDITION = 'renditions/cqdam.pyramid.tiff';

async function open(
  files: Readonly<Record<string, string>>,
  options: Partial<LibraryOptions> = {},
): Promise<{
  root: string;
  library: Library;
  events: LibraryEvent[];
  find: (object: string) => Promise<string | null>;
}> {
  const root = await makeFolder(files);
  const { library, events } = await openLibrary({ roots: [root], ...options });
  const find = async (object: string) => {
    const { file } = await library.locate(library.catalogs, library.catalogs.default, object);
    return file === null ? null : file.replace(`${root}/`, '');
  };
  return { root, library, events, find };
}

describe('images by their paths', () => {
  it('are plain files', async () => {
    const { library, find, root } = await open({ 'a/b c ä€.tif': 'x' });
    expect(await find('a/b c ä€.tif')).toBe('a/b c ä€.tif');
    expect(await find('a/other.tif')).toBeNull();
    expect(await find('a')).toBeNull();
    expect(await find('')).toBeNull();
    const { default: main } = library.catalogs;
    expect(await library.locate(library.catalogs, main, 'a/b c ä€.tif')).toEqual({
      object: 'a/b c ä€.tif',
      catalog: main,
      record: null,
      file: join(root, 'a/b c ä€.tif'),
      byPath: true,
      recordFile: null,
    });
  });

  it.each(['', 'jcr:content/', '_jcr_content/'])('are renditions in folders: %s', async (layout) => {
    const files = { [`dam/a.jpg/${layout}${RENDITION}`]: 'x', [`dam/a.jpg/${layout}record.json`]: '{"resolution": 9}' };
    const { library, root } = await open(files);
    const { catalogs } = library;
    expect(await library.locate(catalogs, catalogs.default, 'dam/a.jpg')).toMatchObject({
      file: join(root, `dam/a.jpg/${layout}${RENDITION}`),
      recordFile: join(root, `dam/a.jpg/${layout}record.json`),
      record: { id: 'dam/a.jpg', path: '', resolution: 9 },
      byPath: true,
    });
  });

  it('may be a record alone, as of presets for analytics', async () => {
    const { library } = await open({ 'conf/analytics/record.json': '{"userData": "a=1??b=2"}' });
    const { catalogs } = library;
    expect(await library.locate(catalogs, catalogs.default, 'conf/analytics')).toMatchObject({
      file: null,
      record: { userData: 'a=1??b=2' },
    });
  });

  it('have records that warn of what they leave aside', async () => {
    const { find, events } = await open({ [`a/${RENDITION}`]: '', 'a/record.json': '{"wrong": 1}' });
    expect(await find('a')).toBe(`a/${RENDITION}`);
    expect(events).toEqual([
      { kind: 'warning', path: expect.stringMatching(/record.json$/), message: 'there is no field "wrong"' },
    ]);
  });

  it.each(['{', '[]', ' '.repeat((1 << 20) + 1)])(
    'are not shown without a record that cannot be read',
    async (text) => {
      const { find, root } = await open({ [`a/${RENDITION}`]: '', 'a/record.json': text });
      const refusal = await find('a').catch((error: unknown) => error);
      expect(refusal).toMatchObject({ code: 'SOURCE_UNREADABLE', detail: expect.stringContaining(root) });
      expect(refusal instanceof Error && refusal.message).toBe('the record of the image cannot be read');
      // A failure is not kept.
      await write(join(root, 'a/record.json'), '{}');
      expect(await find('a')).toBe(`a/${RENDITION}`);
    },
  );

  it('may leave out a suffix: the catalog own comes first, then others in order', async () => {
    const files = { 'a.png': '', 'a.tif': '', 'b.gif': '', 'c.bmp': '', [`d.jpeg/${RENDITION}`]: '', 'e.x': '', e: '' };
    const { find, root } = await open(files);
    expect(await find('a')).toBe('a.tif');
    expect(await find('b')).toBe('b.gif');
    expect(await find('c')).toBeNull();
    expect(await find('d')).toBe(`d.jpeg/${RENDITION}`);
    expect(await find('e')).toBe('e');
    expect(await find('b.png')).toBeNull();
    for (const [defaultext, found] of [
      ['.png', 'a.png'],
      ['.bmp', 'a.tif'],
    ]) {
      const { library } = await openLibrary({ roots: [root], manifest: { defaultext } });
      const located = await library.locate(library.catalogs, library.catalogs.default, 'a');
      expect(located.file).toBe(join(root, found ?? ''));
    }
  });

  it('are looked for in all roots, the first one first', async () => {
    const second = await makeFolder({ 'a.tif': '', 'b.tif': '', 'c.jpg': '' });
    const first = await makeFolder({ 'b.tif': '', 'c.png': '' });
    const { library } = await openLibrary({ roots: [first, second] });
    const find = async (object: string) =>
      (await library.locate(library.catalogs, library.catalogs.default, object)).file;
    expect(await find('a.tif')).toBe(join(second, 'a.tif'));
    expect(await find('b.tif')).toBe(join(first, 'b.tif'));
    expect(await find('c')).toBe(join(first, 'c.png'));
    expect(await find('c.jpg')).toBe(join(second, 'c.jpg'));
    await rm(first, { recursive: true });
    expect(await find('b.tif')).toBe(join(second, 'b.tif'));
  });
});

describe('images of catalogs', () => {
  const INI = {
    'default.ini': 'RootPath = base\nDefaultExt = .jpg',
    'acme.ini': 'RootId = Acme\nRootPath = acme\nCatalogFile=a.txt',
  };

  async function openCatalogs(records: string, files: Readonly<Record<string, string>>) {
    const catalogFolder = await makeFolder({ ...INI, 'a.txt': `Id\tPath\n${records}` });
    return open(files, { catalogFolder });
  }

  it('are where their records say, below the root path, in whole', async () => {
    const { library, root } = await openCatalogs(`shoe\tshoe.tif\ndam\tdam/x\nbare\tbare\nempty\t\ngone\tgone.tif\n`, {
      'acme/shoe.tif': '',
      [`acme/dam/x/${RENDITION}`]: '',
      'acme/dam/x/record.json': '{"resolution": 1}',
      'acme/bare.jpg': '',
    });
    const { catalogs } = library;
    const locate = (object: string) => library.locate(catalogs, catalogs.default, `Acme/${object}`);
    const byRecord = { byPath: false, recordFile: null, catalog: catalogs.byRootId.get('Acme') };
    expect(await locate('shoe')).toMatchObject({
      ...byRecord,
      file: join(root, 'acme/shoe.tif'),
      record: { id: 'shoe' },
    });
    // The catalog's own record counts.
    expect(await locate('dam')).toMatchObject({
      file: join(root, `acme/dam/x/${RENDITION}`),
      record: { resolution: null },
    });
    expect(await locate('bare')).toMatchObject({ ...byRecord, file: null });
    expect(await locate('empty')).toMatchObject({ ...byRecord, file: null, record: { id: 'empty' } });
    expect(await locate('gone')).toMatchObject({ ...byRecord, file: null, record: { id: 'gone' } });
  });

  it('may be absolute, inside a root only', async () => {
    const outside = await makeFolder({ 'secret.tif': '' });
    const other = await makeFolder({ 'a.tif': '' });
    const root = await makeFolder({ 'b.tif': '', 'images/c.tif': '' });
    const records = [
      ...[`a\t${other}/a.tif`, `b\t${root}/b.tif`, `out\t${outside}/secret.tif`, `up\t${root}/images/../b.tif`],
    ].join('\n');
    const catalogFolder = await makeFolder({
      'default.ini': `RootPath = ${root}/images\nCatalogFile = a.txt`,
      'a.txt': `Id\tPath\n${records}`,
    });
    const { library, events } = await openLibrary({ roots: [root, other], catalogFolder });
    const find = async (object: string) =>
      (await library.locate(library.catalogs, library.catalogs.default, object)).file;
    expect(await find('a')).toBe(join(other, 'a.tif'));
    expect(await find('b')).toBe(join(root, 'b.tif'));
    expect(await find('c.tif')).toBe(join(root, 'images/c.tif'));
    expect(await find('out')).toBeNull();
    expect(events.at(-1)).toEqual({
      kind: 'refused',
      path: `${outside}/secret.tif`,
      reason: 'it leads out of its root',
    });
    expect(await find('up')).toBeNull();
  });

  it('are by path below the root path of the catalog, or of the default one', async () => {
    const { library, root } = await openCatalogs('', { 'acme/a.tif': '', 'base/b.jpg': '', 'base/a.tif': '' });
    const { catalogs } = library;
    const acme = catalogs.byRootId.get('Acme');
    if (acme === undefined) throw new Error('no catalog');
    const find = async (object: string, isRooted: boolean) =>
      (await library.locate(catalogs, acme, object, { isRooted })).file;
    expect(await find('a.tif', false)).toBe(join(root, 'acme/a.tif'));
    expect(await find('a.tif', true)).toBe(join(root, 'base/a.tif'));
    expect(await find('b', true)).toBe(join(root, 'base/b.jpg'));
    expect(await find('b', false)).toBeNull();
    expect(await find('Acme/a.tif', true)).toBe(join(root, 'acme/a.tif'));
  });

  it('are refused by path where the catalog says so', async () => {
    const { library } = await open({ 'a.tif': '' }, { manifest: { allowdirectaccess: 'exclude:IS' } });
    for (const object of ['a.tif', 'missing.tif', '../a']) {
      await expect(library.locate(library.catalogs, library.catalogs.default, object)).rejects.toMatchObject({
        code: 'REQUEST_REFUSED',
      });
    }
  });
});

describe('the jail', () => {
  it.each([
    ...['../out.tif', 'a/../../out.tif', 'a/..', '..', 'a/../a.tif', '.', './a.tif', 'a/./b.tif'],
    ...['/a.tif', '//a.tif', 'a//b.tif', 'a/', '/', '.hidden.tif', 'a/.git/config', '...'],
    ...['a.tif\u0000', '\u0000', 'a.tif\u0000.jpg', 'a\n.tif', 'a\u007f.tif', '..\\out.tif', 'a\\b.tif', '\\\\host\\a'],
    ...['x'.repeat(256), 'é'.repeat(128), `${'x/'.repeat(3000)}x`, '\ud800.tif', 'C:\\a.tif', '.\u0000./out.tif'],
  ])('refuses %j without a look', async (object) => {
    const { find, events } = await open({ 'a.tif': '', 'a/b.tif': '', '.hidden.tif': '', 'a/.git/config': '' });
    expect(await find(object)).toBeNull();
    expect(events).toEqual([{ kind: 'refused', path: object, reason: expect.any(String) }]);
  });

  it.each(['%2e%2e/out.tif', '..%2fout.tif', 'a/..;/out.tif', '~/out.tif', '$HOME', 'file:///etc/passwd'])(
    'takes %j for a name, as it was decoded before',
    async (object) => {
      const { find } = await open({ 'a.tif': '' });
      expect(await find(object)).toBeNull();
    },
  );

  it('finds nothing where a name is too long, a file is no folder, or links lead round', async () => {
    const { find, root, events } = await open({ 'a.tif': '' });
    await symlink('loop', join(root, 'loop'));
    for (const object of ['x'.repeat(255), 'a.tif/b.tif', 'loop', 'loop/a.tif', `${'y/'.repeat(1500)}y`]) {
      expect(await find(object)).toBeNull();
    }
    expect(events).toEqual([]);
  });

  it('follows links inside a root, and none out of it', async () => {
    const outside = await makeFolder({
      'secret.tif': '',
      'folder/secret.tif': '',
      [RENDITION]: '',
      'record.json': '{}',
    });
    const { find, root, events } = await open({ 'real/a.tif': '', [`good/${RENDITION}`]: '' });
    await symlink(join(root, 'real/a.tif'), join(root, 'link.tif'));
    await symlink('real', join(root, 'folder'));
    await symlink('../real/a.tif', join(root, 'real/up.tif'));
    expect(await find('link.tif')).toBe('real/a.tif');
    expect(await find('folder/a.tif')).toBe('real/a.tif');
    expect(await find('real/up.tif')).toBe('real/a.tif');
    expect(events).toEqual([]);

    await symlink(join(outside, 'secret.tif'), join(root, 'out.tif'));
    await symlink(outside, join(root, 'out'));
    await symlink(`../${outside.split('/').at(-1)}/secret.tif`, join(root, 'up.tif'));
    await mkdir(join(root, 'asset'));
    await symlink(join(outside, 'renditions'), join(root, 'asset/renditions'));
    await symlink(join(outside, 'record.json'), join(root, 'good/record.json'));
    const refused = ['out.tif', 'out/secret.tif', 'out', 'up.tif', 'out/folder/secret.tif', 'asset'];
    for (const object of refused) expect(await find(object)).toBeNull();
    expect(events.filter(({ kind }) => kind === 'refused')).toHaveLength(events.length);
    expect(events.length).toBeGreaterThanOrEqual(refused.length);
    // The rendition is inside; the record is as if it were not there.
    expect(await find('good')).toBe(`good/${RENDITION}`);
  });

  it('does not take a folder beside for one inside, and takes a root that is a link', async () => {
    const parent = await makeFolder({ 'root/a.tif': '', 'root-2/secret.tif': '' });
    await symlink(join(parent, 'root'), join(parent, 'linked'));
    await symlink(join(parent, 'root-2/secret.tif'), join(parent, 'root/out.tif'));
    const { library } = await openLibrary({ roots: [join(parent, 'linked')] });
    const find = async (object: string) =>
      (await library.locate(library.catalogs, library.catalogs.default, object)).file;
    expect(await find('a.tif')).toBe(join(parent, 'root/a.tif'));
    expect(await find('out.tif')).toBeNull();
  });

  it.skipIf(process.platform === 'win32')('serves regular files only', async () => {
    const { find, root } = await open({ 'folder.tif/x': '' });
    execFileSync('mkfifo', [join(root, 'pipe.tif')]);
    await symlink('/dev/zero', join(root, 'zero.tif'));
    for (const object of ['pipe.tif', 'zero.tif', 'folder.tif', 'pipe']) expect(await find(object)).toBeNull();
  });

  it('lets nothing out, whatever the path', async () => {
    const outer = await makeFolder({ 'secret.tif': '', 'root/a.tif': '', 'root/b/c.tif': '' });
    const root = join(outer, 'root');
    await symlink(outer, join(root, 'out'));
    const { library } = await openLibrary({ roots: [root] });
    const { catalogs } = library;
    const words = [
      '..',
      '.',
      '',
      'a',
      'a.tif',
      'b',
      'c.tif',
      'out',
      'root',
      'secret.tif',
      'secret',
      '/',
      '\u0000',
      outer,
    ];
    const paths = fc.array(fc.constantFrom(...words), { maxLength: 6 }).map((parts) => parts.join('/'));
    await fc.assert(
      fc.asyncProperty(paths, async (object) => {
        const { file, record } = await library.locate(catalogs, catalogs.default, object);
        expect(record).toBeNull();
        if (file !== null) expect(file.startsWith(`${root}/`)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});

describe('look-ups', () => {
  it('are kept for a while, found or not, until they are forgotten', async () => {
    const { find, root, library } = await open({ 'a.tif': '' }, { lookUpMs: 3_600_000 });
    expect([await find('a.tif'), await find('b.tif')]).toEqual(['a.tif', null]);
    await rm(join(root, 'a.tif'));
    await write(join(root, 'b.tif'), '');
    expect([await find('a.tif'), await find('b.tif')]).toEqual(['a.tif', null]);
    library.forget();
    expect([await find('a.tif'), await find('b.tif')]).toEqual([null, 'b.tif']);
  });

  it('are forgotten when catalogs change', async () => {
    const catalogFolder = await makeFolder({ 'default.ini': '' });
    const { find, root, library } = await open({}, { lookUpMs: 3_600_000, catalogFolder });
    expect(await find('a.tif')).toBeNull();
    await write(join(root, 'a.tif'), '');
    await library.reload();
    expect(await find('a.tif')).toBeNull();
    await write(join(catalogFolder, 'default.ini'), 'IccDither=1');
    await library.reload();
    expect(await find('a.tif')).toBe('a.tif');
  });
});

describe('roots behind URLs', () => {
  it('are asked for renditions, then the image, each element encoded', async () => {
    const asked: string[] = [];
    const there = new Set<string>();
    const remoteVersion = async (url: string) => {
      asked.push(url);
      return there.has(url) ? 'v1' : null;
    };
    const local = await makeFolder({ 'local.tif': '' });
    const base = 'https://dam.example/assets/';
    const { library } = await openLibrary({ roots: [base, local], remoteVersion, manifest: { defaultext: '.jpg' } });
    const find = async (object: string) =>
      (await library.locate(library.catalogs, library.catalogs.default, object)).file;
    const folder = `${base}dam/a%20b%3F%23%25.png`;

    expect(await find('dam/a b?#%.png')).toBeNull();
    expect(asked).toEqual([
      `${folder}/${RENDITION}`,
      `${folder}/jcr%3Acontent/${RENDITION}`,
      `${folder}/_jcr_content/${RENDITION}`,
      folder,
    ]);
    there.add(folder);
    expect(await find('dam/a b?#%.png')).toBe(folder);
    there.add(`${folder}/jcr%3Acontent/${RENDITION}`);
    expect(await find('dam/a b?#%.png')).toBe(`${folder}/jcr%3Acontent/${RENDITION}`);
    there.add(`${base}bare.jpg`);
    expect(await find('bare')).toBe(`${base}bare.jpg`);
    expect(await find('local.tif')).toBe(join(local, 'local.tif'));
    expect(await find('../up')).toBeNull();
    expect(await library.versionOf(folder)).toBe('v1');
    expect(await library.versionOf(`${folder}x`)).toBeNull();
  });

  it('that fail are no missing images', async () => {
    const remoteVersion = () => Promise.reject(new Error('no answer'));
    const { library } = await openLibrary({ roots: ['http://dam.example'], remoteVersion });
    await expect(library.locate(library.catalogs, library.catalogs.default, 'a.tif')).rejects.toThrow('no answer');
  });
});

describe('versions', () => {
  it('of files differ when they change, and are null when they are gone', async () => {
    const { library, root } = await open({ 'a.tif': 'x' });
    const path = join(root, 'a.tif');
    const before = await library.versionOf(path);
    expect(before).not.toBeNull();
    expect(await library.versionOf(path)).toBe(before);
    await write(path, 'xy');
    expect(await library.versionOf(path)).not.toBe(before);
    await rm(path);
    expect(await library.versionOf(path)).toBeNull();
  });
});
