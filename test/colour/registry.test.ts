import { readdirSync, readFileSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rename, rm, symlink, truncate, unlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import { generatedProfile, srgbProfile } from '../../src/colour/generated.js';
import { NAMED_PROFILES, namesOf } from '../../src/colour/named.js';
import { parseProfile } from '../../src/colour/parse.js';
import { type KnownProfile, ProfileRegistry, type ProfileWarning } from '../../src/colour/registry.js';
import { corpus, hasCorpus } from '../corpus/place.js';
import { formatTable } from '../corpus/table.js';
import { tableProfile } from './profiles.js';

let folder: string;
let own: string;
let other: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pyramidion-profiles-'));
  [own, other] = [join(folder, 'own'), join(folder, 'other')];
  await mkdir(own);
  await mkdir(other);
});
afterEach(() => rm(folder, { recursive: true }));

const press = (description: string): Uint8Array => tableProfile({ description });
const refusal = (code: string, message?: string) =>
  expect.objectContaining({ code, ...(message === undefined ? {} : { message: expect.stringContaining(message) }) });
const knownOf = (registry: ProfileRegistry, identifier: string): KnownProfile | null =>
  registry.list().named.find((row) => row.identifier === identifier)?.known ?? null;

describe('without folders', () => {
  test('the generated profiles answer to all their names', async () => {
    const registry = await ProfileRegistry.open();
    for (const row of NAMED_PROFILES.filter(({ isGenerated }) => isGenerated)) {
      for (const name of namesOf(row)) {
        const known = await registry.find(name.toUpperCase());
        expect(known).toMatchObject({ name: row.identifier, origin: 'generated', path: null, label: row.commonName });
        expect(known.profile.bytes).toBe(generatedProfile(row.identifier));
      }
    }
  });

  test('a press profile that is missing is refused by the name of its file', async () => {
    const registry = await ProfileRegistry.open();
    for (const row of NAMED_PROFILES.filter(({ isGenerated }) => !isGenerated)) {
      await expect(registry.find(row.identifier)).rejects.toThrowError(refusal('PROFILE_INVALID', row.fileName));
    }
    expect(registry.list().named.filter(({ known }) => known === null)).toHaveLength(22);
  });

  test.each(['', 'nothing', 'a.icc', '../a.icc', '/etc/passwd'])('%j is INVALID_OPTION', async (name) => {
    const registry = await ProfileRegistry.open();
    await expect(registry.find(name, { roots: [folder] })).rejects.toThrowError(
      refusal('INVALID_OPTION', 'icc must name'),
    );
  });

  test('errors name the option that the caller has', async () => {
    const registry = await ProfileRegistry.open();
    const found = registry.find('nothing', { option: 'iccProfileRgb' });
    await expect(found).rejects.toMatchObject({ option: 'iccProfileRgb', value: 'nothing' });
  });
});

describe('folders', () => {
  test('press profiles are known by file name, and by what they say of themselves', async () => {
    await writeFile(join(own, 'uswebcoatedswop.ICC'), press('whatever'));
    await mkdir(join(own, 'press'));
    await writeFile(join(own, 'press', 'ours.icm'), press('coated  fogra39 (ISO 12647-2:2004)'));
    const registry = await ProfileRegistry.open({ folders: [own] });
    expect(await registry.find('WebCoated')).toMatchObject({ name: 'WebCoated', label: 'whatever', origin: 'folder' });
    expect(await registry.find('Coated FOGRA39 (ISO 12647-2:2004)')).toMatchObject({
      name: 'CoatedFogra39',
      path: join(own, 'press', 'ours.icm'),
    });
    expect(registry.list().others).toEqual([]);
  });

  test('a file name is worth more than a description, and an earlier folder more than a later one', async () => {
    await writeFile(join(own, 'a.icc'), press('U.S. Web Coated (SWOP) v2'));
    await writeFile(join(other, 'USWebCoatedSWOP.icc'), press('the second'));
    await writeFile(join(own, 'USSheetfedCoated.icc'), press('first'));
    await writeFile(join(other, 'USSheetfedCoated.icc'), press('second'));
    const registry = await ProfileRegistry.open({ folders: [own, other] });
    expect(await registry.find('WebCoated')).toMatchObject({ label: 'the second' });
    expect(await registry.find('SheetfedCoated')).toMatchObject({ label: 'first' });
    expect(registry.list().others.map(({ path }) => path)).toEqual([
      join(own, 'a.icc'),
      join(other, 'USSheetfedCoated.icc'),
    ]);
  });

  test('other profiles answer to file name, path and description', async () => {
    await mkdir(join(own, 'a'));
    await writeFile(join(own, 'a', 'House.icc'), press('Our house paper'));
    const registry = await ProfileRegistry.open({ folders: [own] });
    const known = registry.list().others[0];
    for (const name of ['house.icc', 'a/House.icc', 'our HOUSE paper']) expect(await registry.find(name)).toBe(known);
  });

  test('what we generate is not replaced by a file of its name', async () => {
    await writeFile(join(own, 'AdobeRGB1998.icc'), generatedProfile('PAL'));
    const registry = await ProfileRegistry.open({ folders: [own] });
    expect(await registry.find('AdobeRGB1998.icc')).toMatchObject({ origin: 'generated' });
    expect(registry.list().others).toHaveLength(1);
  });

  test('files of the same bytes are kept once', async () => {
    await writeFile(join(own, 'a.icc'), press('one'));
    await writeFile(join(other, 'b.icc'), press('one'));
    const { others } = (await ProfileRegistry.open({ folders: [own, other] })).list();
    expect(others[0]?.profile).toBe(others[1]?.profile);
  });

  test.each<[string, string, Uint8Array, string]>([
    ['truncated', 'a.icc', press('a').subarray(0, 900), 'PROFILE_INVALID'],
    ['empty', 'a.icc', new Uint8Array(), 'PROFILE_INVALID'],
    ['of another class', 'a.icc', tableProfile({ deviceClass: 'link' }), 'PROFILE_INVALID'],
    ['of another space', 'a.icc', tableProfile({ space: '6CLR' }), 'PROFILE_INVALID'],
    ['of Lab', 'a.icc', tableProfile({ space: 'Lab ' }), 'PROFILE_INVALID'],
    ['without a way to convert', 'a.icc', tableProfile({ read: [], write: [] }), 'PROFILE_INVALID'],
    ["of RGB under a press profile's name", 'USWebCoatedSWOP.icc', srgbProfile(), 'PROFILE_MISMATCH'],
    ['of gray under an RGB name', 'AdobeRGB1998.icc', generatedProfile('sGray'), 'PROFILE_MISMATCH'],
  ])('a profile %s is refused with a code', async (_, name, bytes, code) => {
    await writeFile(join(own, name), bytes);
    await writeFile(join(own, 'good.icc'), press('good'));
    const warnings: ProfileWarning[] = [];
    const registry = await ProfileRegistry.open({ folders: [own], onWarning: (warning) => warnings.push(warning) });
    expect(registry.list().refused).toMatchObject([{ code, path: join(own, name), keepsEarlier: false }]);
    expect(warnings).toMatchObject([{ code, path: join(own, name) }]);
    expect(await registry.find('good')).toMatchObject({ name: 'good.icc' });
    await expect(registry.find('WebCoated')).rejects.toThrowError(refusal('PROFILE_INVALID', 'USWebCoatedSWOP.icc'));
  });

  test('a huge file is refused unread', async () => {
    await writeFile(join(own, 'a.icc'), press('a'));
    await truncate(join(own, 'a.icc'), 2 ** 40);
    const registry = await ProfileRegistry.open({ folders: [own] });
    expect(registry.list().refused).toMatchObject([
      { code: 'PROFILE_INVALID', message: expect.stringContaining('more than') },
    ]);
  });

  test('a folder that is not there is a warning', async () => {
    await writeFile(join(own, 'a.icc'), press('a'));
    const registry = await ProfileRegistry.open({ folders: [join(folder, 'none'), own] });
    expect(registry.list().refused).toMatchObject([{ code: 'SOURCE_NOT_FOUND', path: join(folder, 'none') }]);
    expect(registry.list().others).toHaveLength(1);
  });

  test('links lead to files, not into folders; other files are nothing', async () => {
    await writeFile(join(other, 'a.icc'), press('a'));
    await symlink(join(other, 'a.icc'), join(own, 'b.icc'));
    await symlink(join(other, 'gone.icc'), join(own, 'c.icc'));
    await symlink(own, join(own, 'loop'));
    await writeFile(join(own, 'readme.txt'), 'no profile');
    const { others, refused } = (await ProfileRegistry.open({ folders: [own] })).list();
    expect(others.map(({ name }) => name)).toEqual(['b.icc']);
    expect(refused).toEqual([]);
  });
});

describe('reload', () => {
  const path = () => join(own, 'USWebCoatedSWOP.icc');
  /** A change that a clock of coarse steps cannot hide. */
  const write = async (bytes: Uint8Array, seconds: number) => {
    await writeFile(path(), bytes);
    await utimes(path(), seconds, seconds);
  };

  test('a changed file is read, others are not touched', async () => {
    await write(press('old'), 1000);
    await writeFile(join(own, 'a.icc'), press('a'));
    const registry = await ProfileRegistry.open({ folders: [own], recheckMs: 0 });
    const before = await registry.find('WebCoated');
    const untouched = registry.list().others[0]?.profile;
    await write(press('new'), 2000);
    const after = await registry.find('WebCoated');
    expect([before.label, after.label]).toEqual(['old', 'new']);
    expect(after.profile.sha256).not.toBe(before.profile.sha256);
    expect(registry.list().others[0]?.profile).toBe(untouched);
  });

  test('a bad new file leaves the old in use, with one warning, until it is good again', async () => {
    await write(press('old'), 1000);
    const warnings: ProfileWarning[] = [];
    const registry = await ProfileRegistry.open({
      folders: [own],
      recheckMs: 0,
      onWarning: (warning) => warnings.push(warning),
    });
    await write(press('half written').subarray(0, 1000), 2000);
    expect(await registry.find('WebCoated')).toMatchObject({ label: 'old' });
    await registry.refresh();
    expect(warnings).toMatchObject([{ code: 'PROFILE_INVALID', message: expect.stringContaining('stays in use') }]);
    expect(registry.list().refused).toMatchObject([{ keepsEarlier: true }]);
    await write(press('whole'), 3000);
    expect(await registry.find('WebCoated')).toMatchObject({ label: 'whole' });
    expect(registry.list().refused).toEqual([]);
    expect(warnings).toHaveLength(1);
  });

  test('files come and go; a folder that is away for a while takes nothing with it', async () => {
    const registry = await ProfileRegistry.open({ folders: [own], recheckMs: 0 });
    await expect(registry.find('WebCoated')).rejects.toThrowError(refusal('PROFILE_INVALID'));
    await write(press('new'), 1000);
    expect(await registry.find('WebCoated')).toMatchObject({ label: 'new' });
    await rename(own, join(folder, 'away'));
    expect(await registry.find('WebCoated')).toMatchObject({ label: 'new' });
    expect(registry.list().refused).toMatchObject([{ code: 'SOURCE_NOT_FOUND', keepsEarlier: true }]);
    await rename(join(folder, 'away'), own);
    await unlink(path());
    await expect(registry.find('WebCoated')).rejects.toThrowError(refusal('PROFILE_INVALID'));
  });

  test('folders are trusted for a while', async () => {
    const registry = await ProfileRegistry.open({ folders: [own], recheckMs: 3_600_000 });
    await write(press('new'), 1000);
    await expect(registry.find('WebCoated')).rejects.toThrowError(refusal('PROFILE_INVALID'));
    await registry.refresh();
    expect(await registry.find('WebCoated')).toMatchObject({ label: 'new' });
  });

  test('lookups during a reload see the old or the new, never a half', async () => {
    await write(press('old'), 1000);
    const registry = await ProfileRegistry.open({ folders: [own], recheckMs: 0 });
    await write(press('new'), 2000);
    const found = await Promise.all(Array.from({ length: 20 }, () => registry.find('WebCoated')));
    expect(new Set(found.map(({ label }) => label))).toEqual(new Set(['new']));
  });
});

describe('lookup order', () => {
  const scopeOf = (scope: Parameters<ProfileRegistry['find']>[1]) => ({ roots: [other], ...scope });

  beforeEach(async () => {
    await mkdir(join(other, 'icc'));
    for (const name of ['main', 'default', 'catalog', 'plain']) {
      await writeFile(join(other, 'icc', `${name}.icc`), press(name));
    }
  });

  test.each<[string, string, string]>([
    ['sRGB', 'main', 'the main catalog comes before the named profiles'],
    ['PAL', 'default', 'the default catalog too'],
    ['AdobeRGB', 'Adobe RGB (1998)', 'a named profile'],
    ['Co/paper', 'catalog', 'an identifier of a named catalog'],
    ['Co/pal', 'default', 'which inherits from the default one'],
    ['icc/plain.icc', 'plain', 'a path below the root'],
    ['Paper', 'main', 'capitals do not count'],
  ])('%s is %s: %s', async (name, label) => {
    const registry = await ProfileRegistry.open();
    const maps = new Map([
      [
        '',
        new Map([
          ['srgb', 'icc/main.icc'],
          ['paper', 'icc/main.icc'],
        ]),
      ],
      ['Co', new Map([['paper', 'icc/catalog.icc']])],
    ]);
    const known = await registry.find(
      name,
      scopeOf({
        catalogMap: (catalog) => maps.get(catalog ?? ''),
        defaultMap: new Map([
          ['sRGB', 'icc/default.icc'],
          ['PAL', 'icc/default.icc'],
        ]),
      }),
    );
    expect(known.label).toBe(label);
  });

  test('a map that leads nowhere is an error, not another profile', async () => {
    const registry = await ProfileRegistry.open();
    const found = registry.find('sRGB', scopeOf({ defaultMap: new Map([['sRGB', 'icc/gone.icc']]) }));
    await expect(found).rejects.toMatchObject({
      code: 'PROFILE_INVALID',
      message: expect.not.stringContaining('gone'),
    });
  });

  test('a map may say a whole path, which stays in the roots, and which no error tells', async () => {
    await writeFile(join(folder, 'outside.icc'), press('outside'));
    await writeFile(join(other, 'icc', 'bad.icc'), 'no profile at all');
    const registry = await ProfileRegistry.open();
    const map = new Map([
      ['in', join(other, 'icc', 'plain.icc')],
      ['out', join(folder, 'outside.icc')],
      ['bad', join(other, 'icc', 'bad.icc')],
    ]);
    const scope = scopeOf({ defaultMap: map });
    expect(await registry.find('in', scope)).toMatchObject({ name: 'plain.icc', origin: 'root' });
    for (const name of ['out', 'bad']) {
      const found = registry.find(name, scope);
      await expect(found).rejects.toMatchObject({
        code: 'PROFILE_INVALID',
        message: expect.not.stringContaining(folder),
      });
    }
  });

  test('the file of a missing press profile may be below a root', async () => {
    await writeFile(join(other, 'USWebCoatedSWOP.icc'), press('SWOP'));
    const registry = await ProfileRegistry.open();
    expect(await registry.find('USWebCoatedSWOP.icc', scopeOf({}))).toMatchObject({ label: 'SWOP', origin: 'root' });
    await expect(registry.find('WebCoated', scopeOf({}))).rejects.toThrowError(refusal('PROFILE_INVALID'));
  });

  test('a file below a root is read again when it changed, and refused by name when it is bad', async () => {
    const registry = await ProfileRegistry.open();
    const first = await registry.find('icc/plain.icc', scopeOf({}));
    expect(await registry.find('icc/plain.icc', scopeOf({}))).toBe(first);
    await writeFile(join(other, 'icc', 'plain.icc'), press('plainer'));
    expect(await registry.find('icc/plain.icc', scopeOf({}))).toMatchObject({ label: 'plainer' });
    await writeFile(join(other, 'icc', 'plain.icc'), 'no profile at all');
    await expect(registry.find('icc/plain.icc', scopeOf({}))).rejects.toThrowError(
      refusal('PROFILE_INVALID', 'icc/plain.icc'),
    );
  });
});

describe('the jail', () => {
  beforeEach(async () => {
    await writeFile(join(folder, 'secret.icc'), press('secret'));
    await writeFile(join(own, 'in.icc'), press('in'));
    await writeFile(join(own, 'text.txt'), press('text'));
    await symlink(join(folder, 'secret.icc'), join(own, 'out.icc'));
    await symlink(folder, join(own, 'up'));
    await symlink(join(own, 'in.icc'), join(own, 'within.icc'));
    await mkdir(join(own, 'folder.icc'));
  });

  test.each([
    '../secret.icc',
    'a/../../secret.icc',
    './../secret.icc',
    '..\\secret.icc',
    'out.icc',
    'up/secret.icc',
    'up/own/../secret.icc',
    'text.txt',
    'folder.icc',
    'in.icc/',
    '/in.icc',
    '//in.icc',
    'C:\\in.icc',
    'C:in.icc',
    'in.icc\0.icc',
    'file:///in.icc',
    '',
    '.icc',
  ])('%j leads nowhere', async (name) => {
    const registry = await ProfileRegistry.open();
    await expect(registry.find(name, { roots: [own] })).rejects.toThrowError(refusal('INVALID_OPTION', 'not known'));
    await expect(registry.find(join(own, 'in.icc'), { roots: [own] })).rejects.toThrowError(refusal('INVALID_OPTION'));
    const mapped = registry.find('x', { roots: [own], defaultMap: new Map([['x', name]]) });
    await expect(mapped).rejects.toThrowError(refusal('PROFILE_INVALID'));
  });

  test.each(['in.icc', 'within.icc', './in.icc', 'up/own/in.icc'])('%s stays inside', async (name) => {
    const registry = await ProfileRegistry.open();
    expect(await registry.find(name, { roots: [join(folder, 'none'), own] })).toMatchObject({ label: 'in' });
  });

  test('errors of a remote caller hold no path of ours', async () => {
    await writeFile(join(own, 'bad.icc'), 'bad');
    const registry = await ProfileRegistry.open();
    for (const name of ['out.icc', 'bad.icc', 'none.icc']) {
      await expect(registry.find(name, { roots: [own] })).rejects.toMatchObject({
        message: expect.not.stringContaining(folder),
      });
    }
  });
});

describe('stand-ins', () => {
  test('are used only when they are allowed, and say so', async () => {
    await writeFile(join(other, 'FOGRA39L_coated.icc'), press('FOGRA39L Coated'));
    await writeFile(join(other, 'unasked.icc'), press('unasked'));
    const without = await ProfileRegistry.open({ folders: [own] });
    await expect(without.find('CoatedFogra39')).rejects.toThrowError(refusal('PROFILE_INVALID'));
    const registry = await ProfileRegistry.open({ folders: [own], standIns: { folders: [other] } });
    expect(await registry.find('CoatedFogra39')).toMatchObject({
      origin: 'stand-in',
      name: 'CoatedFogra39',
      label: 'FOGRA39L Coated (stands in for Coated FOGRA39 (ISO 12647-2:2004))',
    });
    expect(registry.list().others).toEqual([]);
    await expect(registry.find('unasked.icc')).rejects.toThrowError(refusal('INVALID_OPTION'));
  });

  test('the real profile comes first', async () => {
    await writeFile(join(other, 'FOGRA39L_coated.icc'), press('free'));
    await writeFile(join(own, 'CoatedFOGRA39.icc'), press('real'));
    const registry = await ProfileRegistry.open({ folders: [own], standIns: { folders: [other] } });
    expect(knownOf(registry, 'CoatedFogra39')).toMatchObject({ origin: 'folder', label: 'real' });
  });

  test('files of other names, by a mapping', async () => {
    await writeFile(join(other, 'ours.icc'), press('ours'));
    const registry = await ProfileRegistry.open({
      standIns: { folders: [other], files: { JapanColorCoated: 'ours.icc' } },
    });
    expect(knownOf(registry, 'JapanColorCoated')).toMatchObject({ origin: 'stand-in' });
    for (const identifier of ['sRGB', 'nothing', 'japancolorcoated']) {
      const opening = ProfileRegistry.open({ standIns: { folders: [other], files: { [identifier]: 'ours.icc' } } });
      await expect(opening).rejects.toThrowError(refusal('INVALID_OPTION', identifier));
    }
  });
});

describe('the corpus', () => {
  if (!hasCorpus) {
    it.skipIf(!process.env.CI)(`its profiles (skipped: there is none at ${corpus})`, () => {
      expect.fail(`there is no corpus at ${corpus}: set PYRAMIDION_CORPUS`);
    });
    return;
  }

  test('every profile is registered or refused as its manifest says', async () => {
    const registry = await ProfileRegistry.open({ folders: [join(corpus, 'icc')] });
    const { named, others, refused } = registry.list();
    const known = [...others, ...named.flatMap(({ known }) => (known?.origin === 'folder' ? [known] : []))];
    const rows = readFileSync(join(corpus, 'manifest.tsv'), 'utf8')
      .split('\n')
      .map((line) => line.split('\t'))
      .filter(([file]) => file?.startsWith('icc/'));
    expect(rows).toHaveLength(readdirSync(join(corpus, 'icc')).length);
    const table = [['file', 'manifest', 'outcome', 'version', 'read', 'write']];
    for (const [file = '', , , , expectation = '', note = ''] of rows) {
      const found = known.find(({ path }) => path === join(corpus, file));
      const bad = refused.find(({ path }) => path === join(corpus, file));
      const way = (end: 'read' | 'write') => found?.profile[end]?.intents.map((intent) => intent[0]).join('') ?? '';
      const outcome = found?.profile.space.trim() ?? bad?.code ?? 'nothing';
      table.push([file.slice(4), expectation, outcome, found?.profile.version ?? '', way('read'), way('write')]);
      if (expectation.startsWith('loads')) expect(`loads icc:${outcome}`, file).toBe(expectation);
      // libvips was asked to write with it: what has no tables for that is input only.
      else if (note.includes('output intent'))
        expect(found?.profile, file).toMatchObject({ canRead: true, canWrite: false });
      else expect(bad?.code, file).toBe('PROFILE_INVALID');
    }
    console.log(formatTable(table));
    expect(refused).toHaveLength(3);
  });

  test('its free profiles stand in for those of presses', async () => {
    const registry = await ProfileRegistry.open({
      standIns: {
        folders: [join(corpus, 'icc')],
        files: {
          CoatedFogra39: 'gen-cmyk-fogra39l-coated-argyll.icc',
          WebCoatedGrade3: 'gen-cmyk-swop-tr003-coated-argyll.icc',
        },
      },
    });
    const free = registry.list().named.filter(({ known }) => known?.origin === 'stand-in');
    expect(free.map(({ identifier, known }) => [identifier, known?.profile.canWrite])).toEqual([
      ['CoatedFogra39', true],
      ['WebCoated', false],
      ['WebCoatedGrade3', true],
    ]);
  });

  test('our generated profiles are those of others, within their rounding', async () => {
    const pairs = [
      ['AdobeRGB', 'AdobeCompat-v2.icc'],
      ['WideGamutRGB', 'WideGamutCompat-v2.icc'],
      ['ProPhoto', 'ProPhoto-v2-micro.icc'],
    ] as const;
    for (const [identifier, file] of pairs) {
      await copyFile(join(corpus, 'icc', file), join(own, file));
      const theirs = Buffer.from(readFileSync(join(own, file)));
      const ours = Buffer.from(generatedProfile(identifier));
      expect(parseProfile(ours).pixelSpace).toBe(parseProfile(theirs).pixelSpace);
      for (const tag of ['rXYZ', 'gXYZ', 'bXYZ']) {
        const at = (bytes: Buffer) => bytes.readUInt32BE(bytes.indexOf(tag, 132, 'latin1') + 4);
        for (const axis of [8, 12, 16]) {
          const [a, b] = [ours.readInt32BE(at(ours) + axis), theirs.readInt32BE(at(theirs) + axis)];
          expect(Math.abs(a - b), `${identifier} ${tag}`).toBeLessThanOrEqual(2);
        }
      }
    }
  });
});
