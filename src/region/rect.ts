/** A rectangle of a level as it is stored: the plan of a view that neither scales nor turns. Pure. */
import { type Rect, rectOf, type Size, tileSpan } from '../geometry.js';
import type { Axis } from '../native/contract.js';
import { checkDecoded, checkHeld, type LimitSettings } from './limits.js';
import type { ImageStructure, RegionPlan } from './plan.js';
import { TRANSPARENT, WHITE } from './request.js';

/** A rectangle that lies inside a level of an image, in pixels of the level. */
export interface LevelRect {
  readonly level: number;
  readonly rect: Rect;
}

/**
 * Plans a rectangle of a level. It is put at the top left of a frame, which may be larger; white is seen there, and
 * where tiles are missing. Throws `LIMIT_EXCEEDED` (`maxRenderRgnPixels`, `maxDecodedPixels`).
 */
export function planRect(
  image: ImageStructure,
  { level, rect }: LevelRect,
  frame: Size,
  limits: LimitSettings,
): RegionPlan {
  const { tileWidth, tileHeight } = image.levels[level] as ImageStructure['levels'][number];
  const columns = { start: rect.left, end: rect.left + rect.width };
  const rows = { start: rect.top, end: rect.top + rect.height };
  const tiles = rectOf(tileSpan(columns, tileWidth), tileSpan(rows, tileHeight));
  const decodedPixels = tiles.width * tileWidth * tiles.height * tileHeight;
  checkHeld(frame, limits, 'the reply');
  checkDecoded(decodedPixels, limits);
  const whole = { left: 0, top: 0, width: rect.width, height: rect.height };
  return {
    size: frame,
    composite: rect,
    view: rect,
    level,
    window: rect,
    tiles,
    x: oneToOne(rect.left, rect.width),
    y: oneToOne(rect.top, rect.height),
    kernel: 'bilin',
    linearLight: false,
    rotate: null,
    turn: 1,
    sharpen: [],
    crop: whole,
    frame: { ...frame, left: 0, top: 0, canvas: whole, canvasColour: TRANSPARENT, background: WHITE },
    decodedPixels,
    empty: false,
  };
}

function oneToOne(start: number, count: number): Axis {
  return { origin: start, step: 1, first: 0, count, low: start, high: start + count };
}
