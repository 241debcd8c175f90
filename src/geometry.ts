/** Sizes and rounding. The only place where a division of pixels is rounded. */

/** A size in whole pixels of a named level. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** How far down a pyramid goes: to one tile, to one pixel, or the full level only. */
export type Depth = 'onetile' | 'onepixel' | 'one';

/** `a / b` rounded up, for whole numbers below 2⁵³. */
export function ceilDiv(a: number, b: number): number {
  return Math.ceil(a / b);
}

/** `value` rounded up to a multiple of `step`. */
export function roundUp(value: number, step: number): number {
  return ceilDiv(value, step) * step;
}

/** The size after an EXIF orientation (1…8) is applied: 5…8 swap the sides. */
export function orientedSize(size: Size, orientation: number): Size {
  return orientation >= 5 ? { width: size.height, height: size.width } : size;
}

/**
 * Sizes of all levels, the full one first. Each is `ceil(previous / 2)` per side. `onetile` ends with the first level
 * both of whose sides fit in `tileSize`; `onepixel` with 1 × 1; `one` holds the full level only.
 */
export function levelSizes(full: Size, tileSize: number, depth: Depth): Size[] {
  const sizes: Size[] = [full];
  if (depth === 'one') return sizes;
  const limit = depth === 'onetile' ? tileSize : 1;
  let { width, height } = full;
  while (width > limit || height > limit) {
    width = ceilDiv(width, 2);
    height = ceilDiv(height, 2);
    sizes.push({ width, height });
  }
  return sizes;
}

/** How many tiles of edge `tileSize` cover a level. */
export function tileCount(size: Size, tileSize: number): number {
  return ceilDiv(size.width, tileSize) * ceilDiv(size.height, tileSize);
}
