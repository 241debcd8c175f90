/**
 * Every file of the shared corpus through one engine: what its manifest says loads becomes a pyramid, everything else
 * ends in a coded error, and no failure leaves a file.
 */
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, extname, join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Engine } from '../../src/engine.js';
import { type ErrorCode, PyramidionError } from '../../src/errors.js';
import { levelSizes, orientedSize, type Size } from '../../src/geometry.js';
import { readPyramid } from '../../src/pyramid/pyramid.js';
import { countOutcomes, type Expectation, readManifest } from './manifest.js';
import { corpus, hasCorpus } from './place.js';

/** What a file itself can be at fault for. */
const CODES_OF_FILES: readonly ErrorCode[] = [
  'UNSUPPORTED_FORMAT',
  'UNSUPPORTED_IMAGE',
  'CORRUPT_IMAGE',
  'TOO_MANY_PIXELS',
  'BUDGET_NEVER_FITS',
];

/** Larger results are not decoded again. */
const MOST_DECODED_PIXELS = 50e6;
const TILE_SIZE = 256;

/** Why a build failed. */
function codeOf(thrown: unknown): ErrorCode {
  if (thrown instanceof PyramidionError) return thrown.code;
  throw thrown;
}

/** The size sharp would show the file in: the manifest's is that of the stored pixels. */
async function uprightSize(path: string, stored: Size): Promise<Size> {
  const { orientation = 1 } = await sharp(path, { limitInputPixels: false }).metadata();
  return orientedSize(stored, orientation);
}

describe('the shared corpus', () => {
  if (!hasCorpus) {
    it.skipIf(!process.env.CI)(`every file of the corpus (skipped: there is none at ${corpus})`, () => {
      expect.fail(`there is no corpus at ${corpus}: set PYRAMIDION_CORPUS`);
    });
    return;
  }
  const rows = readManifest(readFileSync(join(corpus, 'manifest.tsv'), 'utf8'));
  const outcomes: { folder: string; expectation: Expectation; outcome: string }[] = [];
  let engine: Engine;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pyramidion-corpus-'));
    engine = await Engine.start();
  });
  afterAll(async () => {
    await engine.close();
    await rm(folder, { recursive: true });
    console.log(countOutcomes(outcomes));
  });

  for (const { file, expectation, size, lacksDecoder } of rows) {
    it(`${file}: ${expectation}`, async () => {
      const source = join(corpus, file);
      const target = join(folder, `${basename(file, extname(file))}.tif`);
      let code: ErrorCode | null = null;
      try {
        const report = await engine.build(source, target, { tileSize: TILE_SIZE });
        expect(report.path).toBe(target);
      } catch (thrown) {
        code = codeOf(thrown);
      }
      outcomes.push({ folder: file.split('/', 1).join(), expectation, outcome: code ?? 'PTIFF' });

      try {
        // Nothing but the finished file, and nothing at all after a failure.
        expect(await readdir(folder)).toEqual(code === null ? [basename(target)] : []);
        if (code !== null) {
          expect(CODES_OF_FILES).toContain(code);
          expect(expectation, code).not.toBe('loads');
          if (lacksDecoder) expect(code).toBe('UNSUPPORTED_IMAGE');
          return;
        }
        expect(expectation, 'it was built').toBeOneOf(['loads', 'either']);
        if (size === null) throw new Error(`the manifest gives no size of ${file}`);
        const upright = await uprightSize(source, size);
        const { width, height, levels, orientation } = await readPyramid(target);
        expect({ width, height, orientation }).toEqual({ ...upright, orientation: 1 });
        expect(levels.map((level) => ({ width: level.width, height: level.height }))).toEqual(
          levelSizes(upright, TILE_SIZE, 'onetile'),
        );
        expect(levels.reduce((sum, { missing }) => sum + missing, 0)).toBe(0);
        if (width * height <= MOST_DECODED_PIXELS) {
          for (const { index } of levels) await engine.verify(target, { page: index });
        }
      } finally {
        await rm(folder, { recursive: true });
        await mkdir(folder);
      }
    });
  }
});
