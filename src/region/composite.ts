/** From the image to the composite: crop, scale, flip, rotate, extend (§5.1), and the canvas of a thumbnail (§5.4). */
import { coverSpan, meetSpans, roundHalfUp, roundLength, type Size, type Span } from '../geometry.js';
import { type Affine, apply, bounds, chain, rotation, scaleAndMove } from './affine.js';
import { type Flip, type ImageRequest, invalidRequest, refusedRequest, type ThumbnailRequest } from './request.js';

/**
 * Where the image lies along one axis of a rectangle that is `length` long: its pixel edge `from` (in S) is at `start`,
 * its edge `to` at `end`, and what is between lies evenly between. `from > to` where it is mirrored. `start` and `end`
 * are real and may lie outside the rectangle.
 */
export interface Content {
  /** The axis of S that runs along this one. */
  readonly source: 'x' | 'y';
  readonly from: number;
  readonly to: number;
  readonly start: number;
  readonly end: number;
  readonly length: number;
}

/** The rectangle the view is taken from, and where the image lies in it. */
export interface Composite {
  readonly size: Size;
  /** The part of S that was not cropped away, in whole pixels; empty where the crop lies beside the image. */
  readonly kept: { readonly x: Span; readonly y: Span };
  /** The image along the composite's axes, or along the layer's where it is rotated by no multiple of 90°. */
  readonly x: Content;
  readonly y: Content;
  /** From the layer before flip and rotation to the composite; null where the axes above are the composite's own. */
  readonly rotation: Affine | null;
}

/** What is known of the image for this. */
export interface SourceFacts {
  /** S, in pixels. */
  readonly size: Size;
  /** Pixels per inch. */
  readonly resolution: number;
}

interface Axes {
  readonly x: Content;
  readonly y: Content;
}

/**
 * Makes the composite. `canvas` is the rectangle of a thumbnail, which the layer fills by the thumbnail's rules; null
 * for an ordinary view. Throws `INVALID_REQUEST` for what leaves nothing of the layer.
 */
export function compose(source: SourceFacts, request: ImageRequest, canvas: Size | null): Composite {
  const crop = cropSpans(source.size, request);
  const kept = {
    x: meetSpans(crop.x, { start: 0, end: source.size.width }),
    y: meetSpans(crop.y, { start: 0, end: source.size.height }),
  };
  const layer = scaleLayer(source, request, crop, kept, canvas);
  const { rotate } = request.layer;
  if (rotate % 90 !== 0) return rotateFreely(source, request, crop, kept, layer);
  const turned = quarterTurns(flip(layer, request.layer.flip), ((rotate / 90) % 4) + 4);
  const margins = extension(request, { width: turned.x.length, height: turned.y.length });
  const extended = flip(
    { x: extend(turned.x, margins.left, margins.right), y: extend(turned.y, margins.top, margins.bottom) },
    request.flip,
  );
  return { size: { width: extended.x.length, height: extended.y.length }, kept, ...extended, rotation: null };
}

/** The crop rectangle in S; it may reach beyond the image. */
function cropSpans({ width, height }: Size, { layer }: ImageRequest): { x: Span; y: Span } {
  const crop = layer.crop;
  if (crop === null) return { x: { start: 0, end: width }, y: { start: 0, end: height } };
  const side = (start: number, length: number, whole: number): Span => {
    if (length < 0) throw invalidRequest('crop', `${start}, ${length}`, 'a rectangle whose sides are not negative');
    const inParts = crop.unit === 'parts';
    const first = inParts ? roundHalfUp(start * whole) : start;
    if (length === 0) {
      if (first >= whole) throw refusedRequest('crop', start, 'starts behind the edge it is to reach');
      return { start: first, end: whole };
    }
    return { start: first, end: first + (inParts ? roundLength(length * whole) : length) };
  };
  return { x: side(crop.x, crop.width, width), y: side(crop.y, crop.height, height) };
}

/** The layer after step 2: its size, and the image in it. */
function scaleLayer(
  source: SourceFacts,
  request: ImageRequest,
  crop: { x: Span; y: Span },
  kept: { x: Span; y: Span },
  canvas: Size | null,
): Axes {
  const size = { width: crop.x.end - crop.x.start, height: crop.y.end - crop.y.start };
  const { thumbnail } = request;
  const box = canvas && thumbnail ? thumbnailBox(size, request, canvas) : null;
  if (thumbnail === null || box === null) {
    const scale = layerScale(source, request, size);
    const width = roundLength(size.width * scale);
    const height = roundLength(size.height * scale);
    return {
      x: content('x', crop.x, kept.x, { start: 0, end: width }, width),
      y: content('y', crop.y, kept.y, { start: 0, end: height }, height),
    };
  }
  const scale = thumbnailScale(thumbnail, size, box, thumbnail.res / source.resolution);
  const placed = (length: number, room: number, share: number): Span => {
    const start = placeInside(length * scale, room, share);
    return { start, end: start + roundLength(length * scale) };
  };
  const shares = thumbnailAlign(thumbnail);
  return {
    x: content('x', crop.x, kept.x, placed(size.width, box.width, shares.x), box.width),
    y: content('y', crop.y, kept.y, placed(size.height, box.height, shares.y), box.height),
  };
}

/** The rectangle a thumbnail's image is fitted into; null when the layer is scaled as always. */
function thumbnailBox(crop: Size, { layer }: ImageRequest, canvas: Size): Size | null {
  const { scale } = layer;
  if (scale === null) return canvas;
  if (scale.by !== 'size') return null;
  if (scale.width > 0 && scale.height > 0) return { width: scale.width, height: scale.height };
  if (scale.width > 0) return { width: scale.width, height: roundLength((scale.width * crop.height) / crop.width) };
  if (scale.height > 0) return { width: roundLength((scale.height * crop.width) / crop.height), height: scale.height };
  return canvas;
}

/** The factor a thumbnail's type brings `size` into `box` by. */
export function thumbnailScale(thumbnail: ThumbnailRequest, size: Size, box: Size, texture: number): number {
  const x = box.width / size.width;
  const y = box.height / size.height;
  return { crop: Math.max(x, y), fit: Math.min(x, y), texture }[thumbnail.type];
}

/** Which share of the free room lies before the image: 0, ½ or 1. */
export function thumbnailAlign({ horizontal, vertical }: ThumbnailRequest): { readonly x: number; readonly y: number } {
  return {
    x: { left: 0, centre: 0.5, right: 1 }[horizontal],
    y: { top: 0, centre: 0.5, bottom: 1 }[vertical],
  };
}

/**
 * Where something `length` long (real) starts when it is put into `room` pixels, `share` of the free room before it:
 * rounded half up. What is as long as the room once rounded fills it, and rounding up never pushes it out.
 */
export function placeInside(length: number, room: number, share: number): number {
  const pixels = roundLength(length);
  if (pixels === room) return 0;
  const start = roundHalfUp((room - length) * share);
  return pixels < room ? Math.min(start, room - pixels) : start;
}

function layerScale(source: SourceFacts, { layer }: ImageRequest, size: Size): number {
  const { scale } = layer;
  if (scale === null) return 1;
  if (scale.by === 'scale') return scale.factor;
  if (scale.by === 'res') return scale.dpi / source.resolution;
  const factors = [
    ...(scale.width > 0 ? [scale.width / size.width] : []),
    ...(scale.height > 0 ? [scale.height / size.height] : []),
  ];
  return factors.length > 0 ? Math.min(...factors) : 1;
}

/** The kept part of a crop that fills `placed`, less what hangs out of the layer. */
function content(source: 'x' | 'y', crop: Span, kept: Span, placed: Span, length: number): Content {
  const cropLength = crop.end - crop.start;
  const placedLength = placed.end - placed.start;
  const toLayer = (edge: number): number => placed.start + ((edge - crop.start) * placedLength) / cropLength;
  const toSource = (edge: number): number => crop.start + ((edge - placed.start) * cropLength) / placedLength;
  const start = toLayer(kept.start);
  const end = toLayer(kept.end);
  return {
    source,
    from: start < 0 ? toSource(0) : kept.start,
    to: end > length ? toSource(length) : kept.end,
    start: Math.max(start, 0),
    end: Math.min(end, length),
    length,
  };
}

function mirrored(axis: Content): Content {
  const { from, to, start, end, length } = axis;
  return { ...axis, from: to, to: from, start: length - end, end: length - start };
}

function flip({ x, y }: Axes, way: Flip): Axes {
  return { x: way === 'lr' || way === 'lrud' ? mirrored(x) : x, y: way === 'ud' || way === 'lrud' ? mirrored(y) : y };
}

/** Turned clockwise by so many quarters. */
function quarterTurns(axes: Axes, quarters: number): Axes {
  let turned = axes;
  for (let i = 0; i < quarters % 4; i++) turned = { x: mirrored(turned.y), y: turned.x };
  return turned;
}

function extend(axis: Content, before: number, after: number): Content {
  return { ...axis, start: axis.start + before, end: axis.end + before, length: axis.length + before + after };
}

/** The margins in pixels. Refuses those that leave nothing. */
function extension({ layer }: ImageRequest, size: Size): { left: number; top: number; right: number; bottom: number } {
  const asked = layer.extend;
  if (asked === null) return { left: 0, top: 0, right: 0, bottom: 0 };
  const inParts = asked.unit === 'parts';
  const across = (value: number): number => (inParts ? roundHalfUp(value * size.width) : value);
  const down = (value: number): number => (inParts ? roundHalfUp(value * size.height) : value);
  const [left, top] = [across(asked.left), down(asked.top)];
  const [right, bottom] = [across(asked.right), down(asked.bottom)];
  if (size.width + left + right < 1 || size.height + top + bottom < 1) {
    throw refusedRequest('extend', [asked.left, asked.top, asked.right, asked.bottom].join(), 'leaves nothing');
  }
  return { left, top, right, bottom };
}

function rotateFreely(
  source: SourceFacts,
  request: ImageRequest,
  crop: { x: Span; y: Span },
  kept: { x: Span; y: Span },
  layer: Axes,
): Composite {
  const { x, y } = layer;
  const flipLayer = flipMap(request.layer.flip, x.length, y.length);
  const about = anchorInLayer(source, request, crop, layer, flipLayer);
  const turn = chain(flipLayer, scaleAndMove(1, 1, -about.x, -about.y), rotation(request.layer.rotate));
  const box = bounds(turn, { start: 0, end: x.length }, { start: 0, end: y.length });
  const across = coverSpan(box.left, box.right);
  const down = coverSpan(box.top, box.bottom);
  const rotated = { width: across.end - across.start, height: down.end - down.start };
  const margins = extension(request, rotated);
  const size = {
    width: rotated.width + margins.left + margins.right,
    height: rotated.height + margins.top + margins.bottom,
  };
  const place = scaleAndMove(1, 1, margins.left - across.start, margins.top - down.start);
  return { size, kept, x, y, rotation: chain(turn, place, flipMap(request.flip, size.width, size.height)) };
}

/** The anchor, carried from S through crop, scale and flip. */
function anchorInLayer(
  { size }: SourceFacts,
  { layer }: ImageRequest,
  crop: { x: Span; y: Span },
  { x, y }: Axes,
  flipLayer: Affine,
): { x: number; y: number } {
  const asked = layer.anchor ?? { unit: 'parts', x: 0, y: 0 };
  const inParts = asked.unit === 'parts';
  const carry = (axis: Content, span: Span, edge: number): number =>
    axis.to > axis.from
      ? axis.start + ((edge - axis.from) * (axis.end - axis.start)) / (axis.to - axis.from)
      : ((edge - span.start) * axis.length) / (span.end - span.start);
  return apply(
    flipLayer,
    carry(x, crop.x, inParts ? (0.5 + asked.x) * size.width : asked.x),
    carry(y, crop.y, inParts ? (0.5 + asked.y) * size.height : asked.y),
  );
}

function flipMap(way: Flip, width: number, height: number): Affine {
  const across = way === 'lr' || way === 'lrud';
  const down = way === 'ud' || way === 'lrud';
  return scaleAndMove(across ? -1 : 1, down ? -1 : 1, across ? width : 0, down ? height : 0);
}
