/** The words of a command line, before commander reads them: option names in any spelling, and the converter's own. */

/** An option of the `ic` converter (or of `validate`) that has another name or form here. */
interface Translation {
  /** As the converter's documentation spells it. */
  readonly name: string;
  /** What it becomes; the words that follow it, joined by commas, are appended where `values` is not 0. */
  readonly to: string;
  /** Words that follow it. A single word with commas in it may stand for all of them. */
  readonly values: number;
}

const plain = (name: string, to: string): Translation => ({ name, to, values: 0 });

/**
 * Options of the converter that become others. Those not listed (`--dpi`, `--jpegQuality`, `--imageProfile`,
 * `--overwrite` …) have our name already, give or take capitals and hyphens.
 */
export const CONVERTER_OPTIONS: readonly Translation[] = [
  plain('uncompressed', '--compression=none'),
  plain('deflateCompress', '--compression=deflate'),
  plain('lzwCompress', '--compression=lzw'),
  plain('jpegCompress', '--compression=jpeg'),
  plain('fullSampleChrominance', '--chroma=4:4:4'),
  { name: 'usm', to: '--unsharp=', values: 4 },
  { name: 'autocrop', to: '--autocrop=', values: 4 },
  plain('intentPerceptual', '--intent=perceptual'),
  plain('intentRelColorimetric', '--intent=relative'),
  plain('intentAbsColorimetric', '--intent=absolute'),
  plain('intentSaturation', '--intent=saturation'),
  plain('cmsNoBlackPointCompensation', '--no-black-point-compensation'),
  plain('downsample2x2', '--reduction=mean'),
  plain('downsample8x8', '--reduction=lanczos'),
  plain('downsample8x8FlashPix', '--reduction=flashpix'),
  plain('downsample8x8BicubicSharp', '--reduction=bicubic-sharp'),
  { name: 'maxMem', to: '--max-memory=', values: 1 },
  { name: 'maxMemPercent', to: '--max-memory-percent=', values: 1 },
];

/** The same for `validate`. */
export const VALIDATE_OPTIONS: readonly Translation[] = [
  plain('jpeg', '--type=jpeg'),
  plain('ptif', '--type=ptif'),
  plain('any', '--type=any'),
  plain('reject16BitPerComponent', '--reject-16-bit'),
];

/**
 * The words with every long option in its own spelling (`known`, as in `--tile-size`), whatever its capitals and
 * hyphens were, and every option of `translations` replaced. Unknown options, and all after `--`, stay as they are.
 */
export function normaliseArguments(
  words: readonly string[],
  known: readonly string[],
  translations: readonly Translation[],
): string[] {
  const spellings = new Map(known.map((name) => [bare(name), name]));
  const replaced = new Map(translations.map((translation) => [bare(translation.name), translation]));
  const result: string[] = [];
  const rest = [...words];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === '--') return [...result, word, ...rest];
    if (!word.startsWith('--')) {
      result.push(word);
      continue;
    }
    const equals = word.indexOf('=');
    const name = equals < 0 ? word : word.slice(0, equals);
    const value = equals < 0 ? undefined : word.slice(equals + 1);
    const translation = replaced.get(bare(name));
    if (translation === undefined) {
      result.push((spellings.get(bare(name)) ?? name) + (value === undefined ? '' : `=${value}`));
    } else if (translation.values === 0) {
      result.push(translation.to);
    } else if (value !== undefined) {
      result.push(translation.to + value);
    } else {
      const count = rest[0]?.includes(',') ? 1 : translation.values;
      result.push(translation.to + rest.splice(0, count).join(','));
    }
  }
  return result;
}

function bare(name: string): string {
  return name.replaceAll('-', '').toLowerCase();
}
