/** From the composite to the reply: sizes and places of §5.3 and, for thumbnails, of §5.4. */
import { roundLength, roundSpan, type Size, type Span } from '../geometry.js';
import { placeInside, thumbnailAlign, thumbnailScale } from './composite.js';
import { type ImageRequest, invalidRequest, refusedRequest, type ViewRequest } from './request.js';

/** One axis of the view: the region of interest in the composite lies at `placed`, edge to edge. */
export interface ViewAxis {
  /** Pixels of the view, `rect`'s scale included. */
  readonly length: number;
  /** Pixels of the composite. */
  readonly region: Span;
  /** Whole pixels of the view; it may reach beyond it. */
  readonly placed: Span;
  /** The reply, in pixels of the view; it may reach beyond it. */
  readonly reply: Span;
}

/** Where the composite goes. */
export interface View {
  readonly x: ViewAxis;
  readonly y: ViewAxis;
}

interface Scaling {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  /** Share of the free room before the image, 0…1. */
  readonly share: { readonly x: number; readonly y: number };
}

/** Refuses commands that contradict each other, whatever the image: `INVALID_REQUEST`. */
export function checkTogether({ view, thumbnail }: ImageRequest): void {
  if (view.fit === null) return;
  if (thumbnail !== null) throw refusedRequest('fit', view.fit.mode, 'goes with no thumbnail');
  if (view.scl === null && view.wid === null && view.hei === null) {
    throw refusedRequest('fit', view.fit.mode, 'needs wid or hei');
  }
}

/**
 * Makes the view of a composite. `dpr` multiplies its size. `box` is the rectangle of a thumbnail, null for an
 * ordinary view. Throws `INVALID_REQUEST`.
 */
export function arrangeView(composite: Size, request: ImageRequest, dpr: number, box: Size | null): View {
  const { view } = request;
  const region = regionOf(composite, view);
  const size = { width: region.x.end - region.x.start, height: region.y.end - region.y.start };
  const scaling = box === null ? scaleView(size, view, dpr) : scaleThumbnail(size, request, dpr, box);
  const k = view.rect?.scale ?? 1;
  const axis = (side: 'x' | 'y', span: Span, length: number, room: number): ViewAxis => {
    const start = placeInside(length * scaling[side], room, scaling.share[side]);
    const viewLength = roundLength(room * k);
    return {
      length: viewLength,
      region: span,
      placed: roundSpan(start * k, (start + roundLength(length * scaling[side])) * k),
      reply: replyOf(view, side, viewLength),
    };
  };
  return { x: axis('x', region.x, size.width, scaling.width), y: axis('y', region.y, size.height, scaling.height) };
}

/** The rectangle of a thumbnail: §5.4, step 1. `natural` is the composite as an ordinary view would have it. */
export function thumbnailRect(request: ImageRequest, dpr: number, natural: () => Size): Size | null {
  const { view, thumbnail } = request;
  if (thumbnail === null) return null;
  const width = view.wid ?? thumbnail.defaultPix[0];
  const height = view.hei ?? thumbnail.defaultPix[1];
  if (width > 0 && height > 0) return scaled(width, height, dpr);
  const size = natural();
  if (width > 0) return scaled(width, (width * size.height) / size.width, dpr);
  if (height > 0) return scaled((height * size.width) / size.height, height, dpr);
  return scaled(size.width, size.height, dpr);
}

function scaled(width: number, height: number, dpr: number): Size {
  return { width: roundLength(width * dpr), height: roundLength(height * dpr) };
}

function regionOf(composite: Size, { rgn }: ViewRequest): { x: Span; y: Span } {
  if (rgn === null) return { x: { start: 0, end: composite.width }, y: { start: 0, end: composite.height } };
  if (!(rgn.width > 0 && rgn.height > 0)) {
    throw invalidRequest('rgn', `${rgn.width} × ${rgn.height}`, 'a rectangle with sides above 0');
  }
  return { x: { start: rgn.x, end: rgn.x + rgn.width }, y: { start: rgn.y, end: rgn.y + rgn.height } };
}

function replyOf({ rect }: ViewRequest, side: 'x' | 'y', length: number): Span {
  if (rect === null) return { start: 0, end: length };
  if (!(rect.width > 0 && rect.height > 0 && rect.scale > 0)) {
    throw invalidRequest('rect', `${rect.width} × ${rect.height} at ${rect.scale}`, 'a rectangle with sides above 0');
  }
  const start = side === 'x' ? rect.x : rect.y;
  return { start, end: start + (side === 'x' ? rect.width : rect.height) };
}

/** The table of §5.3. */
function scaleView(region: Size, view: ViewRequest, dpr: number): Scaling {
  const times = (side: number | null): number | null => (side === null ? null : roundLength(side * dpr));
  const wid = times(view.wid);
  const hei = times(view.hei);
  const align = { x: (view.align.x + 1) / 2, y: (view.align.y + 1) / 2 };
  const free = (x: number, y: number, share = align): Scaling => ({
    x,
    y,
    width: roundLength(region.width * x),
    height: roundLength(region.height * y),
    share,
  });
  if (view.scl !== null) {
    const natural = free(dpr / view.scl, dpr / view.scl);
    return { ...natural, width: wid ?? natural.width, height: hei ?? natural.height };
  }
  const { mode, upscale } = view.fit ?? { mode: 'fit', upscale: false };
  const factor = (side: number | null, length: number): number =>
    Math.min((side ?? 0) / length, upscale ? Number.POSITIVE_INFINITY : 1);
  const x = factor(wid, region.width);
  const y = factor(hei, region.height);
  const centre = { x: 0.5, y: 0.5 };
  if (wid === null && hei === null) {
    const [width, height] = view.defaultPix;
    const s = Math.min(
      1,
      width > 0 ? (width * dpr) / region.width : 1,
      height > 0 ? (height * dpr) / region.height : 1,
    );
    return free(s, s, centre);
  }
  if (hei === null) return free(x, x, centre);
  if (wid === null) return free(y, y, centre);
  const into = (sx: number, sy: number, share = align): Scaling => ({ x: sx, y: sy, width: wid, height: hei, share });
  const least = Math.min(x, y);
  const most = Math.max(x, y);
  return {
    fit: into(least, least),
    constrain: free(least, least, centre),
    crop: into(most, most),
    wrap: free(most, most),
    stretch: into(x, y, centre),
    hfit: into(x, x),
    vfit: into(y, y),
  }[mode];
}

function scaleThumbnail(region: Size, { view, thumbnail }: ImageRequest, dpr: number, box: Size): Scaling {
  if (thumbnail === null) return scaleView(region, view, dpr);
  const s = view.scl === null ? thumbnailScale(thumbnail, region, box, 1) : dpr / view.scl;
  return { x: s, y: s, ...box, share: thumbnailAlign(thumbnail) };
}
