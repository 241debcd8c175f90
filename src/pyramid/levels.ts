/** Which directories of a TIFF are the levels of one picture. Pure. */

/** What a directory says of its image, as far as choosing levels goes. */
export interface ImageDirectory {
  readonly width: number;
  readonly height: number;
  /** NewSubfileType bit 0 or SubfileType 2: a smaller version of another image. */
  readonly reduced: boolean;
  /** NewSubfileType bit 2 or a mask photometric: transparency of another image. */
  readonly mask: boolean;
  readonly tiled: boolean;
  readonly samplesPerPixel: number;
  readonly bitsPerSample: number;
}

/** How the levels hang together. */
export type PyramidLayout = 'pages' | 'subifds' | 'single';

/** The largest image of a file with its reduced versions, largest first. */
export interface LevelChoice<T> {
  readonly layout: PyramidLayout;
  readonly levels: readonly T[];
}

/**
 * The full image among the directories of the main chain: the first one, unless that is a reduced image or a mask;
 * then the first that is neither, then the largest that is no mask. Undefined when every one is a mask.
 */
export function chooseFull<T extends ImageDirectory>(pages: readonly T[]): T | undefined {
  const images = pages.filter((page) => !page.mask);
  return (
    images.find((page) => !page.reduced) ??
    images.reduce<T | undefined>((a, b) => (a && a.width * a.height >= b.width * b.height ? a : b), undefined)
  );
}

/** A level is at most this part of the one above, by its larger side; what is closer is another picture's page. */
const LARGEST_STEP = 0.9;

/**
 * The levels of `full`: those of its SubIFDs where any fits, else those of the main chain. A directory fits when it is
 * no mask, is smaller, has the same proportions, samples and bits, and is tiled if `full` is (the thumbnails that slide
 * scanners put between the levels are not). In the main chain, where a smaller directory may as well be the next page
 * of a document, one in strips must also say that it is a reduced image. Of several with one size the first counts, so
 * channels or focal planes stored as further pages do not become levels.
 */
export function chooseLevels<T extends ImageDirectory>(
  full: T,
  pages: readonly T[],
  subIfds: readonly T[],
): LevelChoice<T> {
  const nested = reducedLevels(full, subIfds);
  if (nested.length > 0) return { layout: 'subifds', levels: [full, ...nested] };
  const chained = reducedLevels(
    full,
    pages.filter((page) => page.reduced || page.tiled),
  );
  if (chained.length > 0) return { layout: 'pages', levels: [full, ...chained] };
  return { layout: 'single', levels: [full] };
}

function reducedLevels<T extends ImageDirectory>(full: T, candidates: readonly T[]): T[] {
  const fitting = candidates
    .filter((image) => image !== full && !image.mask && (image.tiled || !full.tiled))
    .filter((image) => image.samplesPerPixel === full.samplesPerPixel && image.bitsPerSample === full.bitsPerSample)
    .filter((image) => isReduction(full, image))
    .sort((a, b) => largerSide(b) - largerSide(a));
  const levels: T[] = [];
  for (const image of fitting) {
    if (largerSide(image) <= largerSide(levels.at(-1) ?? full) * LARGEST_STEP) levels.push(image);
  }
  return levels;
}

function largerSide(image: { width: number; height: number }): number {
  return Math.max(image.width, image.height);
}

/**
 * Whether `image` can be `full` divided by one number, each side rounded either way: both sides are then off by less
 * than a pixel, which bounds the difference of the cross products by the sum of the sides. Ratios need not be 2.
 */
export function isReduction(
  full: { width: number; height: number },
  image: { width: number; height: number },
): boolean {
  if (image.width > full.width || image.height > full.height) return false;
  if (image.width === full.width && image.height === full.height) return false;
  return Math.abs(image.width * full.height - image.height * full.width) <= full.width + full.height;
}

/** Pixels of the full image that one pixel of a level stands for, per axis. */
export interface Downsample {
  readonly x: number;
  readonly y: number;
}

/** Most halvings a level can be: sides are below 2³². */
const MOST_HALVINGS = 32;

/**
 * The downsampling of each level, the full one first: exactly 2ᵏ on both axes where its size is what `k` halvings of the
 * full one's sides give, each rounded up or each rounded down (pixel `i` then covers `i·2ᵏ … (i + 1)·2ᵏ` of the full
 * image); else, per axis, 2ᵏ where that axis is such a size, or the ratio of the sides. A side of one pixel fits many
 * `k`: a level has been halved more often than the one before it, and in the way that fits all levels with the fewest
 * halvings, if one does.
 */
export function downsamples(levels: readonly { readonly width: number; readonly height: number }[]): Downsample[] {
  const full = levels[0];
  if (full === undefined) return [];
  const up = (side: number, k: number) => Math.ceil(side / 2 ** k);
  const down = (side: number, k: number) => Math.max(1, Math.floor(side / 2 ** k));
  const fits = (full: number, side: number, k: number) => side === up(full, k) || side === down(full, k);
  const rules = [
    (k: number, { width, height }: (typeof levels)[number]) =>
      width === up(full.width, k) && height === up(full.height, k),
    (k: number, { width, height }: (typeof levels)[number]) =>
      width === down(full.width, k) && height === down(full.height, k),
    (k: number, { width, height }: (typeof levels)[number]) =>
      fits(full.width, width, k) && fits(full.height, height, k),
  ];
  const attempts = rules.map((fitsRule) => {
    let last = -1;
    return levels.map((level) => {
      for (let k = last + 1; k <= MOST_HALVINGS; k++) {
        if (!fitsRule(k, level)) continue;
        last = k;
        return k;
      }
      return null;
    });
  });
  // Of the ways that fit all levels the one that skips fewest halvings: tiny sides may fit another one too.
  const last = (halvings: readonly (number | null)[]): number => halvings.at(-1) ?? 0;
  const fitting = attempts.filter((halvings) => !halvings.includes(null)).sort((a, b) => last(a) - last(b));
  const whole = fitting[0] ?? attempts.at(-1) ?? [];
  const axis = (full: number, side: number): number => {
    const k = Math.round(Math.log2(full / side));
    return fits(full, side, k) ? 2 ** k : full / side;
  };
  return levels.map(({ width, height }, i) => {
    const k = whole[i] ?? null;
    if (k !== null) return { x: 2 ** k, y: 2 ** k };
    return { x: axis(full.width, width), y: axis(full.height, height) };
  });
}
