/** A planned view and its encoding → the one native job that makes it. Pure. */

import type { ColourPlan } from '../colour/choose.js';
import { type Encoding, resolveFill } from '../encode/index.js';
import type { DitherStep, PixelSource, PixelType } from '../native/contract.js';
import type { ViewJob } from '../pool/renders.js';
import { type RegionPlan, relativeTo } from '../region/plan.js';
import { colourJob } from './colour.js';

/** Stored pixels, and where in their level they begin. */
export interface PlacedPixels {
  readonly source: PixelSource | null;
  readonly origin: { readonly x: number; readonly y: number };
}

/** What a view is planned to be; without `colour` its values stay, or are converted without profiles. */
export interface ViewParts {
  readonly region: RegionPlan;
  readonly encoding: Encoding;
  readonly colour?: ColourPlan | null;
  readonly dither?: DitherStep | null;
}

/** The job of a view. `pixels` is what the image's stored pixels are brought to. */
export function viewJob(
  { region: plan, encoding, colour = null, dither = null }: ViewParts,
  pixels: PixelType,
  placed: PlacedPixels,
): ViewJob {
  const { output, encode, keepsAlpha } = encoding;
  const converts = colour === null ? null : colourJob(colour);
  const axes = relativeTo(plan, placed.origin.x, placed.origin.y);
  const { samples } = resolveFill(plan.frame.background, output.space);
  return {
    source: placed.source,
    pixels: { ...pixels, alpha: needsAlpha(plan, pixels, placed.source) ? 'straight' : 'none' },
    // What is converted or dithered is kept finer than the reply until then.
    workingBits: converts === null && dither === null ? pixels.bits : 16,
    x: axes.x,
    y: axes.y,
    kernel: plan.kernel,
    linearLight: plan.linearLight && pixels.space !== 'cmyk',
    rotate: plan.rotate,
    turn: plan.turn,
    sharpen: plan.sharpen,
    crop: plan.crop,
    colour: converts,
    frame: {
      ...plan.frame,
      canvasColour: resolveFill(plan.frame.canvasColour, output.space),
      background: { samples, alpha: keepsAlpha ? 0 : 1 },
    },
    dither,
    output,
    encode,
  };
}

/** Whether some pixel may be transparent: the image says so, it is rotated, or tiles are missing. */
function needsAlpha(plan: RegionPlan, pixels: PixelType, source: PixelSource | null): boolean {
  return pixels.alpha !== 'none' || plan.rotate !== null || (source?.kind === 'level' && hasMissingTiles(source.tiles));
}

function hasMissingTiles(tiles: Uint32Array): boolean {
  for (let i = 1; i < tiles.length; i += 2) if (tiles[i] === 0) return true;
  return false;
}
