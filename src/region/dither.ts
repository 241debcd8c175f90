/** Dithering so that pieces of a view join. Pure. */
import type { Rect } from '../geometry.js';
import type { DitherStep } from '../native/contract.js';
import type { LimitSettings } from './limits.js';
import { type ImageStructure, planRegion, type RegionPlan } from './plan.js';
import type { ImageRequest } from './request.js';

/** Edge of the squares that errors are diffused within: `dither_square` of `native/core/steps/dither.h`. */
const SQUARE = 64;

/** A plan whose frame is larger than the reply, by what dithering has to see. */
export interface DitheredPlan {
  readonly region: RegionPlan;
  readonly dither: DitherStep;
}

/**
 * The plan of a view that is to be dithered: its frame reaches from the edge to the edge of the squares that the reply
 * touches (below, no further than the reply). `plan` is that of the reply alone, which the limits have passed.
 */
export function planDither(
  image: ImageStructure,
  request: ImageRequest,
  plan: RegionPlan,
  limits: LimitSettings,
): DitheredPlan {
  const { rect } = request.view;
  const { size, view } = plan;
  if (rect === null) return { region: plan, dither: { x: 0, y: 0, keep: { left: 0, top: 0, ...size } } };
  const left = Math.floor(rect.x / SQUARE) * SQUARE;
  const top = Math.floor(rect.y / SQUARE) * SQUARE;
  const end = rect.x + size.width;
  const right = end > view.width ? end : Math.min(Math.ceil(end / SQUARE) * SQUARE, view.width);
  const area: Rect = { left, top, width: right - left, height: rect.y + size.height - top };
  const wider = { x: left, y: top, width: area.width, height: area.height, scale: rect.scale };
  const region = planRegion(
    image,
    { ...request, view: { ...request.view, rect: wider, dpr: null } },
    { ...limits, maxPix: [0, 0], maxRenderRgnPixels: 2 * limits.maxRenderRgnPixels },
  );
  return { region, dither: { x: left, y: top, keep: { left: rect.x - left, top: rect.y - top, ...size } } };
}
