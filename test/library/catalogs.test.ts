import { rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DEFAULT_ATTRIBUTES } from '../../src/library/attributes.js';
import { DEFAULT_SETTINGS_FOLDER, Library, type LibraryOptions } from '../../src/library/library.js';
import { makeFolder, openLibrary, touch, warningsOf, write } from './support.js';

/** Two catalogs and all kinds of data files. */
const FILES = {
  'default.ini': 'MaxPix = 1000,1000\nPublishInfo = base\nDefaultImage = none\nMacroFile = macros.txt\n',
  'acme.ini': [
    ...['RootId = Acme', 'RootPath = acme', 'MaxPix = 500,500', 'DefaultImage =', 'Expiration = 1'],
    ...['CatalogFile = images.txt, more.txt', 'MacroFile = own.txt', 'IccProfileMapFile = icc.txt'],
    'RuleSetFile = rules.xml',
  ].join('\n'),
  'images.txt': 'Id\tPath\tModifier\nshoe\tshoe.tif\twid=100\nboot\tboot.tif\t\nshoe\tshoe2.tif\t\n',
  'more.txt': 'id\tpath\nboot\tnewer/boot.tif\n',
  'macros.txt': 'Name\tDefinition\nsmall\twid=10\nBig\twid=1000\n',
  'own.txt': 'Name\tDefinition\nlast\tqlt=9\nSMALL\twid=20\n',
  'icc.txt': 'Name\tProfilePath\npress\tprofiles/press.icc\n',
  'rules.xml': '<ruleset one>',
};

async function open(files: Readonly<Record<string, string | Uint8Array>>, options: Partial<LibraryOptions> = {}) {
  const catalogFolder = await makeFolder(files);
  const root = await makeFolder();
  const { library, events } = await openLibrary({ roots: [root], catalogFolder, ...options });
  const put = (name: string, content: string) => write(join(catalogFolder, name), content);
  const attributes = (rootId: string) => library.catalogs.byRootId.get(rootId)?.attributes;
  return { library, events, catalogFolder, root, put, attributes };
}

/** Base names of what a reload changed, and the messages of what it could not use, without folders. */
async function reload(library: Library): Promise<{ changed: string[]; errors: string[] }> {
  const { changed, errors } = await library.reload();
  for (const { code, value } of errors) expect([code, typeof value]).toEqual(['INVALID_OPTION', 'string']);
  const shorten = (message: string) => message.replace(/\S*\/(?=[^/ ]+ )/, '');
  return {
    changed: changed.map((path) => basename(path)).sort(),
    errors: errors.map(({ message }) => shorten(message)),
  };
}

async function refusalOf(files: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
  const error = await open(files).then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toMatchObject({ code: 'INVALID_OPTION', value: expect.any(String) });
  return error instanceof Error ? error.message.replace(/\S*\/(?=[^/ ]+ )/, '') : '';
}

describe('catalogs', () => {
  it('are what their files say, over what they inherit', async () => {
    const { library, catalogFolder, events } = await open(FILES);
    const { default: standard, byRootId, generation } = library.catalogs;
    expect(warningsOf(events)).toEqual([]);
    expect(generation).toBe(1);
    expect(standard.attributes).toEqual({
      ...DEFAULT_ATTRIBUTES,
      ...{ maxPix: [1000, 1000], publishInfo: 'base', defaultImage: 'none', timeStamp: standard.fileTime },
    });
    expect(standard.fileTime).toBeGreaterThan(Date.UTC(2024, 0, 1));
    const acme = byRootId.get('Acme');
    expect([...byRootId.keys()]).toEqual(['Acme']);
    expect(acme?.attributes).toEqual({
      ...standard.attributes,
      ...{ rootId: 'Acme', rootPath: 'acme', maxPix: [500, 500], defaultImage: '', expirationMs: 3_600_000 },
      timeStamp: acme?.fileTime,
    });
    expect([...(acme?.records.values() ?? [])].map(({ id, path, modifier }) => [id, path, modifier])).toEqual([
      ['shoe', 'shoe2.tif', ''],
      ['boot', 'newer/boot.tif', ''],
    ]);
    expect([...standard.macros]).toEqual([
      ['small', 'wid=10'],
      ['big', 'wid=1000'],
    ]);
    expect([...(acme?.macros ?? [])]).toEqual([
      ['big', 'wid=1000'],
      ['last', 'qlt=9'],
      ['small', 'wid=20'],
    ]);
    expect([...(acme?.profiles ?? [])]).toEqual([['press', join(catalogFolder, 'profiles/press.icc')]]);
    expect(acme?.rules.map(({ name }) => name)).toEqual(['<ruleset one>']);
    expect(standard.records.size + standard.profiles.size + standard.rules.length).toBe(0);
  });

  it('warn of what they leave aside, by file and line', async () => {
    const { events, library } = await open({
      'default.ini': 'Nonsense=1\nMaxPix=big\nCatalogFile=a.txt\nMacroFile=m.txt\nIccProfileMapFile=p.txt',
      'a.txt': 'Id\tPath\tOther\nx,y\tp\t\nz\tp/../../q\t\n',
      'm.txt': 'Name\tDefinition\na b\twid=1\n',
      'p.txt': 'Name\tProfilePath\na,b\tx.icc\nc\t\n',
    });
    expect(warningsOf(events)).toEqual([
      'default.ini: there is no attribute Nonsense',
      expect.stringMatching(/^default.ini: MaxPix must be two whole numbers .*; got "big"$/),
      'a.txt: there is no column "Other"',
      'a.txt: line 2: the id "x,y" has a comma',
      'a.txt: line 3: Path must be a path without .. in it; got "p/../../q"',
      'm.txt: line 2: "a b" is no name of a macro',
      'p.txt: line 2: the name "a,b" has a comma',
      'p.txt: line 3: "c" has no path',
    ]);
    expect(library.catalogs.default.attributes.maxPix).toEqual([2000, 2000]);
    expect([...library.catalogs.default.records.keys()]).toEqual(['z']);
  });

  it('may be none: no folder, a missing one, an empty one', async () => {
    const root = await makeFolder();
    for (const catalogFolder of [null, join(root, 'missing'), root]) {
      const { library } = await openLibrary({ roots: [root], catalogFolder });
      expect(library.catalogs).toMatchObject({ generation: 0, byRootId: new Map() });
      expect(library.catalogs.default).toMatchObject({ attributes: DEFAULT_ATTRIBUTES, fileTime: 0 });
    }
  });

  it('are UTF-8 with a byte order mark, else ISO-8859-1', async () => {
    const { attributes } = await open({
      'default.ini': '',
      'a.ini': Buffer.from('RootId=a\nPublishInfo=Größe', 'latin1'),
      'b.ini': '\ufeffRootId=b\nPublishInfo=Größe €',
    });
    expect([attributes('a')?.publishInfo, attributes('b')?.publishInfo]).toEqual(['Größe', 'Größe €']);
  });

  it.each([
    [
      { 'acme.ini': 'RootId=Acme' },
      'catalog default.ini cannot be used: it does not exist, and there are other catalogs',
    ],
    [{ 'default.ini': 'RootId=x' }, 'catalog default.ini cannot be used: the default catalog has no RootId'],
    [{ 'default.ini': '', 'a.ini': '' }, 'catalog a.ini cannot be used: it has no RootId, or none that is allowed'],
    [
      { 'default.ini': '', 'a.ini': 'RootId=x', 'b.ini': 'RootId=x' },
      'catalog b.ini cannot be used: a.ini has the same RootId x',
    ],
    [{ 'default.ini': 'CatalogFile=no.txt' }, 'image catalog no.txt cannot be used: it does not exist'],
    [{ 'default.ini': 'CatalogFile=.' }, /^image catalog \S+ cannot be used: it is not a regular file$/],
    [{ 'default.ini': 'MacroFile=m.txt', 'm.txt': 'x' }, 'macro file m.txt cannot be used: it has no column Name'],
    [{ 'default.ini': 'RuleSetFile=r.xml', 'r.xml': 'x' }, 'rule set r.xml cannot be used: it holds no ruleset'],
    [{ 'default.ini': Uint8Array.of(0xef, 0xbb, 0xbf, 0xff) }, /^catalog default.ini cannot be used: /],
  ])('are refused at the start: %j', async (files, message) => {
    const refusal = await refusalOf(files);
    if (typeof message === 'string') expect(refusal).toBe(message);
    else expect(refusal).toMatch(message);
  });
});

describe('a reload', () => {
  it('changes nothing where nothing has changed', async () => {
    const { library } = await open(FILES);
    const before = library.catalogs;
    expect(await reload(library)).toEqual({ changed: [], errors: [] });
    expect(library.catalogs).toBe(before);
  });

  it('puts a new set in place at once, and leaves the old one as it was', async () => {
    const { library, put, attributes, events } = await open(FILES);
    const before = library.catalogs;
    const told: number[] = [];
    const stop = library.onChange(({ generation }) => told.push(generation));
    await put('acme.ini', 'RootId = Acme\nMaxPix = 7,7');
    await put('beta.ini', 'RootId = Beta');
    expect(await reload(library)).toEqual({ changed: ['acme.ini', 'beta.ini'], errors: [] });
    expect(attributes('Acme')?.maxPix).toEqual([7, 7]);
    expect(attributes('Beta')?.maxPix).toEqual([1000, 1000]);
    expect(before.byRootId.get('Acme')?.attributes.maxPix).toEqual([500, 500]);
    expect(before.byRootId.has('Beta')).toBe(false);
    stop();
    await put('default.ini', 'MaxPix = 8,8');
    expect((await reload(library)).changed).toEqual(['default.ini']);
    expect(attributes('Beta')?.maxPix).toEqual([8, 8]);
    expect(library.catalogs.default.macros.size).toBe(0);
    expect(told).toEqual([2]);
    expect(events.filter(({ kind }) => kind === 'loaded')).toHaveLength(3);
  });

  it('reads data files again only when they have changed', async () => {
    const { library, put, catalogFolder } = await open(FILES);
    const recordsOf = () => library.catalogs.byRootId.get('Acme')?.records;
    const shoe = recordsOf()?.get('shoe');
    await put('more.txt', 'Id\tPath\nboot\tnewest.tif\n');
    expect((await reload(library)).changed).toEqual(['acme.ini']);
    expect(recordsOf()?.get('boot')?.path).toBe('newest.tif');
    // The very object: its file was not read.
    expect(recordsOf()?.get('shoe')).toBe(shoe);
    await touch(join(catalogFolder, 'images.txt'));
    await reload(library);
    expect(recordsOf()?.get('shoe')).toEqual(shoe);
    expect(recordsOf()?.get('shoe')).not.toBe(shoe);
  });

  it.each([
    ['acme.ini', 'RootPath = lost'],
    ['images.txt', 'Nothing\nx'],
    ['own.txt', ''],
    ['rules.xml', 'no rules'],
  ])('keeps a catalog whose %s cannot be used, and takes the others', async (name, content) => {
    const { library, put, events } = await open(FILES);
    const before = library.catalogs.byRootId.get('Acme');
    await put(name, content);
    await put('default.ini', `${FILES['default.ini']}IccDither = 1`);
    const { changed, errors } = await reload(library);
    expect(changed).toEqual(['default.ini']);
    expect(errors).toEqual([expect.stringMatching(`${name} cannot be used: `)]);
    expect(events.filter(({ kind }) => kind === 'error')).toHaveLength(1);
    const after = library.catalogs.byRootId.get('Acme');
    expect(after).toEqual({ ...before, attributes: { ...before?.attributes, iccDither: true } });
    await put(name, FILES[name as keyof typeof FILES]);
    expect(await reload(library)).toMatchObject({ errors: [] });
    expect(library.catalogs.byRootId.get('Acme')?.records.size).toBe(2);
  });

  it('gives up a catalog whose file is gone, but not the default one while there are others', async () => {
    const { library, catalogFolder, attributes } = await open(FILES);
    await rm(join(catalogFolder, 'default.ini'));
    expect(await reload(library)).toEqual({
      changed: [],
      errors: ['catalog default.ini cannot be used: it does not exist, and there are other catalogs'],
    });
    expect(attributes('Acme')?.publishInfo).toBe('base');
    await rm(join(catalogFolder, 'acme.ini'));
    expect(await reload(library)).toEqual({ changed: ['acme.ini', 'default.ini'], errors: [] });
    expect(library.catalogs).toMatchObject({ byRootId: new Map(), default: { attributes: DEFAULT_ATTRIBUTES } });
  });

  it('keeps everything while the folder is gone', async () => {
    const { library, catalogFolder, attributes } = await open(FILES);
    await rename(catalogFolder, `${catalogFolder}-away`);
    expect(await reload(library)).toEqual({ changed: [], errors: [expect.stringMatching('cannot be listed .ENOENT')] });
    expect(attributes('Acme')?.maxPix).toEqual([500, 500]);
    await rename(`${catalogFolder}-away`, catalogFolder);
    expect(await reload(library)).toEqual({ changed: [], errors: [] });
  });

  it('leaves an id to the catalog that had it', async () => {
    const { library, put, attributes } = await open({ 'default.ini': '', 'b.ini': 'RootId=x\nMaxPix=1,1' });
    await put('a.ini', 'RootId=x\nMaxPix=2,2');
    expect(await reload(library)).toEqual({
      changed: [],
      errors: ['catalog a.ini cannot be used: b.ini has the same RootId x'],
    });
    expect(attributes('x')?.maxPix).toEqual([1, 1]);
    await put('b.ini', 'RootId=y');
    expect(await reload(library)).toEqual({ changed: ['a.ini', 'b.ini'], errors: [] });
    expect(attributes('x')?.maxPix).toEqual([2, 2]);
    expect(attributes('y')?.maxPix).toEqual([2000, 2000]);
    await put('b.ini', 'RootId=x');
    expect(await reload(library)).toEqual({
      changed: [],
      errors: ['catalog b.ini cannot be used: a.ini has the same RootId x'],
    });
    expect([...library.catalogs.byRootId.keys()].sort()).toEqual(['x', 'y']);
  });
});

describe('manifest and presets', () => {
  const MANIFEST = `${DEFAULT_SETTINGS_FOLDER}/manifest.json`;
  const PRESETS = 'conf/global/settings/dam/dm/presets/macros.json';

  it('are the default catalog, below the first root; options come after the files, default.ini before them', async () => {
    const root = await makeFolder({
      [MANIFEST]: '\ufeff{"maxpix": "10,10", "expiration": 5000, "resolution": 96, "wrong": 1, "iccdither": "x"}',
      [PRESETS]: '{"One": "wid=1", "Two": {"width": 5, "height": 6}, "10": "hei=10"}',
    });
    const catalogFolder = await makeFolder({ 'default.ini': 'MaxPix=20,20', 'a.ini': 'RootId=a\nResolution=5' });
    const { library, events } = await openLibrary({
      roots: ['https://a.example/', root],
      catalogFolder,
      manifest: { resolution: 150, jpegquality: '70,1', bkgcolor: 'red' },
      presets: { zero: 'fmt=png', one: 'wid=2' },
    });
    const { attributes, macros } = library.catalogs.default;
    expect(attributes).toMatchObject({
      maxPix: [20, 20],
      expirationMs: 5000,
      resolution: 96,
      jpegQuality: { quality: 70, fullChroma: true },
      iccDither: false,
    });
    expect(library.catalogs.byRootId.get('a')?.attributes).toMatchObject({ maxPix: [20, 20], resolution: 5 });
    expect([...macros]).toEqual([
      ['zero', 'fmt=png'],
      ['10', 'hei=10'],
      ['one', 'wid=1'],
      ['two', 'preset=Two&width&height'],
    ]);
    expect([...(library.catalogs.byRootId.get('a')?.macros.keys() ?? [])]).toEqual(['zero', '10', 'one', 'two']);
    expect(warningsOf(events)).toEqual([
      ': bkgcolor must be six hexadecimal digits RRGGBB; got "red"',
      'manifest.json: there is no property "wrong"',
      'manifest.json: iccdither must be 0, 1, false or true; got "x"',
    ]);
  });

  it('are in the folder of settings that was given', async () => {
    const root = await makeFolder();
    const folder = await makeFolder({
      'a/manifest.json': '{"resolution": 9}',
      'presets/macros.json': '{"p": "wid=3"}',
    });
    const { library } = await openLibrary({ roots: [root], settingsFolder: join(folder, 'a') });
    expect(library.catalogs.default.attributes.resolution).toBe(9);
    expect(library.catalogs.default.attributes.timeStamp).toBe(library.catalogs.default.fileTime);
    expect(library.catalogs.default.fileTime).toBeGreaterThan(0);
    expect(library.catalogs.default.macros.get('p')).toBe('wid=3');
  });

  it.each([
    [MANIFEST, '{"maxpix": ', 'default manifest manifest.json cannot be used: '],
    [MANIFEST, '[]', 'default manifest manifest.json cannot be used: it holds no JSON object'],
    [PRESETS, 'x', 'image presets macros.json cannot be used: '],
    [PRESETS, '{"a b": "wid=1"}', 'image presets macros.json cannot be used: "a b" is no name'],
    [PRESETS, '{"a": 5}', 'image presets macros.json cannot be used: the preset a must be '],
    [PRESETS, '{"a": "wid=1", "A": "wid=2"}', 'image presets macros.json cannot be used: there are two presets A'],
  ])(
    'that cannot be used are refused at the start, and left in force later: %s of %s',
    async (path, content, message) => {
      const good: Readonly<Record<string, string>> = { [MANIFEST]: '{"maxpix": "3,3"}', [PRESETS]: '{"a": "wid=3"}' };
      const root = await makeFolder({ ...good, [path]: content });
      const opening = openLibrary({ roots: [root] });
      const refusal = await opening.catch((error: unknown) => error);
      expect(refusal).toMatchObject({ code: 'INVALID_OPTION', value: join(root, path) });
      expect(refusal instanceof Error && refusal.message.replace(`${join(root, path)}`, basename(path))).toContain(
        message,
      );

      await write(join(root, path), good[path] ?? '');
      const { library } = await openLibrary({ roots: [root] });
      const before = library.catalogs;
      await write(join(root, path), content);
      expect((await reload(library)).errors).toEqual([expect.stringContaining(message)]);
      expect(library.catalogs).toBe(before);
      expect(before.default.attributes.maxPix).toEqual([3, 3]);
      expect(before.default.macros.get('a')).toBe('wid=3');
      await rm(join(root, path));
      expect(await reload(library)).toEqual({ changed: [basename(path)], errors: [] });
    },
  );

  it('that a preset of the options breaks are refused', async () => {
    const root = await makeFolder();
    const readPreset = () => {
      throw new Error('a width of 0');
    };
    await expect(openLibrary({ roots: [root], presets: { a: {} }, readPreset })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      option: 'presets',
      message: 'the presets cannot be used: a width of 0',
    });
  });
});

describe('the configuration', () => {
  it('may change too: files go on to come before it, and what cannot be used changes nothing', async () => {
    const root = await makeFolder({ [`${DEFAULT_SETTINGS_FOLDER}/manifest.json`]: '{"maxpix": "3,3"}' });
    const before = { manifest: { maxpix: '1,1', resolution: 5 }, presets: { a: 'wid=1' } };
    const { library } = await openLibrary({ roots: [root], ...before });
    const first = library.catalogs;
    const told: number[] = [];
    library.onChange(({ generation }) => told.push(generation));
    await library.configure({ manifest: { maxpix: '2,2', resolution: 6 }, presets: { b: 'wid=2' } });
    const { attributes, macros } = library.catalogs.default;
    expect([attributes.maxPix, attributes.resolution, [...macros.keys()]]).toEqual([[3, 3], 6, ['b']]);
    expect(first.default.attributes.resolution).toBe(5);
    const second = library.catalogs;
    const wrong = library.configure({ manifest: { resolution: 7 }, presets: { 'c d': '' } });
    await expect(wrong).rejects.toMatchObject({ code: 'INVALID_OPTION', option: 'presets' });
    expect(library.catalogs).toBe(second);
    expect(told).toEqual([second.generation]);
    expect(await reload(library)).toEqual({ changed: [], errors: [] });
  });
});

describe('changes', () => {
  it('of attribute files, manifest and presets are found; a file that could not be used counts when it is mended', async () => {
    const options = { refreshIntervalMs: 1, modificationWaitMs: 1 };
    const { library, put, root, attributes } = await open(FILES, options);
    const next = () =>
      new Promise<void>((resolve) => {
        const stop = library.onChange(() => {
          stop();
          resolve();
        });
      });
    let change = next();
    await put('acme.ini', `${FILES['acme.ini']}\nMaxPix = 9,9`);
    await change;
    expect(attributes('Acme')?.maxPix).toEqual([9, 9]);

    change = next();
    await write(join(root, DEFAULT_SETTINGS_FOLDER, 'manifest.json'), '{"resolution": 33}');
    await change;
    expect(attributes('Acme')?.resolution).toBe(33);

    await put('images.txt', 'broken');
    await put('acme.ini', `${FILES['acme.ini']}\nMaxPix = 4,4`);
    expect((await library.reload()).errors).toHaveLength(1);
    expect(attributes('Acme')?.maxPix).toEqual([9, 9]);
    change = next();
    await put('images.txt', FILES['images.txt']);
    await change;
    expect(attributes('Acme')?.maxPix).toEqual([4, 4]);
  });
});

describe('roots', () => {
  it('have to be there', async () => {
    const root = await makeFolder({ file: '' });
    for (const roots of [[], [join(root, 'missing')], [join(root, 'file')], [root, 'http://']]) {
      await expect(openLibrary({ roots })).rejects.toMatchObject({ code: 'INVALID_OPTION', option: 'roots' });
    }
  });

  it('are closed more than once without harm', async () => {
    const { library } = await openLibrary({ roots: [await makeFolder()] });
    await library.close();
    await library.close();
    expect(library).toBeInstanceOf(Library);
  });
});
