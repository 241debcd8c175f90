/** Which level is read, and how each axis of it is resampled. Everything here is in the stored orientation. */
import { PyramidionError } from '../errors.js';
import { coverSpan, keepInside, type Span, touchSpan, wholeNear } from '../geometry.js';
import type { Axis, Kernel } from '../native/contract.js';

/** One level, as far as choosing and sampling go. */
export interface LevelStructure {
  readonly width: number;
  readonly height: number;
  /**
   * Pixels of the full level that one of this level covers. A level made 2:1 of an odd side covers more than there is:
   * give 2 there, not the quotient of the sides.
   */
  readonly downsampleX: number;
  readonly downsampleY: number;
  /** A strip is a tile as wide as the level. */
  readonly tileWidth: number;
  readonly tileHeight: number;
}

/** One axis: pixels `source` of the full level lie at `placed` of the picture, edge to edge. */
export interface Placement {
  /** Real edges, in pixels of the full level. */
  readonly source: Span;
  /** Whole pixels of the picture, before it is turned. */
  readonly placed: Span;
  /** The pixels of the picture that are made. */
  readonly made: Span;
  /** What may be sampled: whole pixels of the full level. */
  readonly kept: Span;
  /** Pixels of the full level along this axis. */
  readonly length: number;
}

/** The level that is read, and its axes. */
export interface Sampling {
  /** Its index. */
  readonly level: number;
  readonly x: Axis;
  readonly y: Axis;
}

/** Source pixels each side of a sample that a kernel reads, at scales down to 1; below, they grow with the step. */
const REACH: Readonly<Record<Kernel, number>> = { bilin: 1, bicub: 2, sharp2: 3, bisharp: 2 };

/** A level may be this much too small, relatively: that is arithmetic and not resolution. */
const ENOUGH = 1e-9;

/**
 * Takes the smallest level that has at least the resolution of the picture on both axes, and the full one where none
 * has. A level that would be shown pixel for pixel is always enough, though rounding its size may have left it a
 * little short; its pixels are then taken one to one (step exactly 1, whole origin). The last pixels of an odd side
 * can be so on several levels; the largest of them is the one that is meant.
 */
export function sample(levels: readonly LevelStructure[], x: Placement, y: Placement): Sampling {
  const area = (index: number): number => (levels[index]?.width ?? 0) * (levels[index]?.height ?? 0);
  const smallestFirst = [...levels.keys()].sort((a, b) => area(a) - area(b));
  const chosen =
    smallestFirst.findLast((index) => startsOf(levelAt(levels, index), x, y) !== undefined) ??
    smallestFirst.find((index) => reachesBoth(levelAt(levels, index), x, y)) ??
    smallestFirst.at(-1) ??
    0;
  const level = levelAt(levels, chosen);
  const [startX, startY] = startsOf(level, x, y) ?? [undefined, undefined];
  return {
    level: chosen,
    x: axisOf(x, level.width, level.downsampleX, startX),
    y: axisOf(y, level.height, level.downsampleY, startY),
  };
}

/** Level `index`. An image without levels is a defect of its reader: `INTERNAL`. */
export function levelAt(levels: readonly LevelStructure[], index: number): LevelStructure {
  const level = levels[index];
  if (level === undefined)
    throw new PyramidionError('INTERNAL', `an image with ${levels.length} levels has no ${index}`);
  return level;
}

function reachesBoth({ downsampleX, downsampleY }: LevelStructure, x: Placement, y: Placement): boolean {
  return reaches(x, downsampleX) && reaches(y, downsampleY);
}

/** The level pixels where the picture starts, when it is shown pixel for pixel both ways. */
function startsOf(level: LevelStructure, x: Placement, y: Placement): readonly [number, number] | undefined {
  const startX = snapped(x, level.width, level.downsampleX);
  const startY = startX === undefined ? undefined : snapped(y, level.height, level.downsampleY);
  return startX === undefined || startY === undefined ? undefined : [startX, startY];
}

/** The pixels of the level that making an axis reads: those its kernel weighs, within `low … high`. */
export function tapSpan(axis: Axis, kernel: Kernel): Span {
  const first = axis.origin + (axis.first + 0.5) * axis.step;
  const last = axis.origin + (axis.first + axis.count - 0.5) * axis.step;
  const reach = isOneToOne(axis) ? 0.5 : REACH[kernel] * Math.max(1, axis.step);
  return keepInside(touchSpan(first - reach, last + reach), { start: axis.low, end: axis.high });
}

/** Whether output pixels are pixels of the level: every kernel then weighs that one pixel only. */
export function isOneToOne({ origin, step }: Axis): boolean {
  return step === 1 && Number.isInteger(origin);
}

function reaches({ source, placed }: Placement, downsample: number): boolean {
  const scale = (placed.end - placed.start) / (source.end - source.start);
  return scale * downsample <= 1 + ENOUGH;
}

/** The level pixel where `placed` starts, when the level's pixels are those of the picture. */
function snapped({ source, placed, length }: Placement, levelLength: number, downsample: number): number | undefined {
  const first = edgeOf(source.start, length, levelLength, downsample);
  const last = edgeOf(source.end, length, levelLength, downsample);
  const isSame = Math.abs(last - first - (placed.end - placed.start)) <= 1e-6;
  return isSame ? wholeNear(first) : undefined;
}

/** An edge in pixels of the level. The image's far edge is the level's, which may lie a little beyond it. */
function edgeOf(edge: number, length: number, levelLength: number, downsample: number): number {
  if (wholeNear(edge) === length) return levelLength;
  return edge / downsample;
}

function axisOf(placement: Placement, levelLength: number, downsample: number, exact: number | undefined): Axis {
  const { source, placed, made, kept, length } = placement;
  const step = exact === undefined ? (source.end - source.start) / (placed.end - placed.start) / downsample : 1;
  const start = exact ?? source.start / downsample;
  const cut = coverSpan(
    edgeOf(kept.start, length, levelLength, downsample),
    edgeOf(kept.end, length, levelLength, downsample),
  );
  const { start: low, end: high } = keepInside(cut, { start: 0, end: levelLength });
  return { origin: start - placed.start * step, step, first: made.start, count: made.end - made.start, low, high };
}
