/** Sizes and rounding. The only place where a division of pixels is rounded. */

/** A size in whole pixels of a named level. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** A rectangle in whole pixels of a named picture, origin top left, half-open. */
export interface Rect {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** A part of one axis, half-open. Empty when `end ≤ start`. */
export interface Span {
  readonly start: number;
  readonly end: number;
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

/** What two computations of one number may differ by: 0.1·15 is a half to us. */
const TOLERANCE = 1e-9;

/** Positions this close, in pixels, are one position. */
export const SAME_PLACE = 1e-6;

/** `value` rounded half up, also below zero: −2.5 becomes −2. */
export function roundHalfUp(value: number): number {
  return Math.floor(value + 0.5 + TOLERANCE);
}

/** A real length as a whole number of pixels: rounded half up, at least 1. */
export function roundLength(length: number): number {
  return Math.max(1, roundHalfUp(length));
}

/** The pixels between two real edges, each rounded half up; at least one pixel, at the start. */
export function roundSpan(start: number, end: number): Span {
  const first = roundHalfUp(start);
  return { start: first, end: Math.max(first + 1, roundHalfUp(end)) };
}

/** The pixels that two real edges touch; edges within {@link SAME_PLACE} of a pixel's are taken to be there. */
export function coverSpan(start: number, end: number): Span {
  return { start: Math.floor(start + SAME_PLACE), end: Math.ceil(end - SAME_PLACE) };
}

/** The pixels that lie in `start … end` in part or whole, without any tolerance. */
export function touchSpan(start: number, end: number): Span {
  return { start: Math.floor(start), end: Math.ceil(end) };
}

/** What two spans have in common; an empty span where that is nothing. */
export function meetSpans(a: Span, b: Span): Span {
  const start = Math.max(a.start, b.start);
  return { start, end: Math.max(start, Math.min(a.end, b.end)) };
}

/** The part of `span` in `bounds`; where there is none, the pixel of `bounds` that is nearest to it. */
export function keepInside(span: Span, bounds: Span): Span {
  const start = Math.min(Math.max(span.start, bounds.start), bounds.end - 1);
  return { start, end: Math.min(Math.max(span.end, start + 1), bounds.end) };
}

/** Tiles of edge `tileSize`, counted from 0, that whole pixels `span` touch. */
export function tileSpan(span: Span, tileSize: number): Span {
  return { start: Math.floor(span.start / tileSize), end: ceilDiv(span.end, tileSize) };
}

/** Two spans as a rectangle. */
export function rectOf(x: Span, y: Span): Rect {
  return { left: x.start, top: y.start, width: x.end - x.start, height: y.end - y.start };
}

/** The nearest whole number when `value` is within {@link SAME_PLACE} of it, else undefined. */
export function wholeNear(value: number): number | undefined {
  const near = Math.round(value);
  return Math.abs(value - near) <= SAME_PLACE ? near : undefined;
}

/**
 * `value` as a multiple of 2⁻³⁰. Products with pixel coordinates below 2²¹ and their sums are then exact, so shifting
 * the origin by whole pixels changes no bit of a position.
 */
export function dyadic(value: number): number {
  return Math.round(value * 2 ** 30) / 2 ** 30 + 0;
}
