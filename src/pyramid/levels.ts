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
