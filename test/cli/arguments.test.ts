import { describe, expect, test } from 'vitest';
import { CONVERTER_OPTIONS, normaliseArguments, VALIDATE_OPTIONS } from '../../src/cli/arguments.js';

const KNOWN = [
  '--compression',
  '--tile-size',
  '--dpi',
  '--jpeg-quality',
  '--skip-hidden',
  '--no-log-append',
  '--image-profile',
];
const normalise = (line: string) => normaliseArguments(line.split(' '), KNOWN, CONVERTER_OPTIONS).join(' ');

describe('normaliseArguments', () => {
  test.each([
    ['build a.jpg b.tif', 'build a.jpg b.tif'],
    ['--tile-size 512', '--tile-size 512'],
    ['--TileSize=512', '--tile-size=512'],
    ['--jpegQuality 80 --JPEGCOMPRESS', '--jpeg-quality 80 --compression=jpeg'],
    ['--deflateCompress --lzwcompress --uncompressed', '--compression=deflate --compression=lzw --compression=none'],
    ['--skipHidden --nologappend --imageProfile p.icc', '--skip-hidden --no-log-append --image-profile p.icc'],
    ['--usm 1 2.5 4 0 a.jpg b.tif', '--unsharp=1,2.5,4,0 a.jpg b.tif'],
    ['--usm 1,2.5 a.jpg b.tif', '--unsharp=1,2.5 a.jpg b.tif'],
    ['--autocrop UL 0 0.1 info.xml a.jpg b.tif', '--autocrop=UL,0,0.1,info.xml a.jpg b.tif'],
    ['--autocrop ul,0,0.1 a.jpg b.tif', '--autocrop=ul,0,0.1 a.jpg b.tif'],
    ['--autocrop=ul,0,0.1 a.jpg b.tif', '--autocrop=ul,0,0.1 a.jpg b.tif'],
    ['--maxMem 1G --maxMemPercent 25', '--max-memory=1G --max-memory-percent=25'],
    ['--downsample2x2', '--reduction=mean'],
    ['--downsample8x8FlashPix', '--reduction=flashpix'],
    ['--intentAbsColorimetric --cmsNoBlackPointCompensation', '--intent=absolute --no-black-point-compensation'],
    ['--unknown --dpi 3', '--unknown --dpi 3'],
    ['-- --jpegCompress --DPI', '-- --jpegCompress --DPI'],
    ['--usm 1', '--unsharp=1'],
    ['--usm', '--unsharp='],
  ])('%s', (line, expected) => {
    expect(normalise(line)).toBe(expected);
  });

  test("validate's own", () => {
    const words = ['--reject16BitPerComponent', '--ptif', '--ReadPixels'];
    expect(normaliseArguments(words, ['--read-pixels'], VALIDATE_OPTIONS)).toEqual([
      '--reject-16-bit',
      '--type=ptif',
      '--read-pixels',
    ]);
  });
});
