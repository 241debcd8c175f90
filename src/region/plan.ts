/**
 * From a request to what has to be done: which level, which of its pixels, and how they become the reply. Pure. Every
 * position depends on the whole view and never on `rect`, so the pieces of a view join to what the whole would be.
 */
import {
  dyadic,
  meetSpans,
  orientedSize,
  type Rect,
  rectOf,
  roundSpan,
  type Size,
  type Span,
  tileSpan,
  touchSpan,
} from '../geometry.js';
import type { Axis, Kernel, RotateStep, SharpenStep } from '../native/contract.js';
import { type Affine, bounds, chain, invert, scaleAndMove } from './affine.js';
import { type Composite, type Content, compose, type SourceFacts } from './composite.js';
import { checkDecoded, checkHeld, checkReply, defaultLimits, exceeds, type LimitSettings } from './limits.js';
import { effective, type ImageRequest, type RequestColour, refusedRequest, type SharpenRequest } from './request.js';
import {
  isOneToOne,
  type LevelStructure,
  levelAt,
  type Placement,
  type Sampling,
  sample,
  tapSpan,
} from './sampling.js';
import { orientationOf, turnOf } from './turn.js';
import { arrangeView, checkTogether, thumbnailRect, type View, type ViewAxis } from './view.js';

/** What planning needs to know of an image. */
export interface ImageStructure {
  /** Size of the full level as stored. */
  readonly width: number;
  readonly height: number;
  /** EXIF orientation 1…8 that turns the stored picture upright. */
  readonly orientation: number;
  /** The full level and its reductions; at least one. */
  readonly levels: readonly LevelStructure[];
  /** Pixels per inch: the scale `res` and `ThumbRes` refer to. */
  readonly resolution: number;
}

/** {@link FrameStep} of the native contract, with colours as the request has them. */
export interface FramePlan {
  readonly width: number;
  readonly height: number;
  /** Place of the picture's top left pixel in the reply. */
  readonly left: number;
  readonly top: number;
  /** The part of the reply that the composite covers (width or height 0: none), and what lies under it there. */
  readonly canvas: Rect;
  readonly canvasColour: RequestColour;
  /** Under everything. */
  readonly background: RequestColour;
}

/** Everything about a view but its samples and its encoding. Fields as in the native contract's `RenderJob`. */
export interface RegionPlan {
  /** The reply. */
  readonly size: Size;
  /** Layer 0 after its transform. */
  readonly composite: Size;
  /** The whole view, after `rect`'s scale. */
  readonly view: Size;
  /** Index of the level that is read. */
  readonly level: number;
  /** The pixels of that level that are needed, all inside it. */
  readonly window: Rect;
  /** Its tiles that hold them: columns and rows. */
  readonly tiles: Rect;
  /** In pixels of the level, along its stored axes. */
  readonly x: Axis;
  readonly y: Axis;
  readonly kernel: Kernel;
  readonly linearLight: boolean;
  /** Between pixels of the picture that `x` and `y` make (from its top left) and pixels of the rotated one. */
  readonly rotate: RotateStep | null;
  /** 1…8 */
  readonly turn: number;
  readonly sharpen: readonly SharpenStep[];
  /** The part of the picture that is put into the frame. */
  readonly crop: Rect;
  readonly frame: FramePlan;
  /** Pixels of the stored tiles in {@link tiles}. */
  readonly decodedPixels: number;
  /** The reply shows nothing of the image: no pixel is needed, and the axes make none. */
  readonly empty: boolean;
}

/** One stored tile. */
export interface StoredTile {
  readonly level: number;
  readonly column: number;
  readonly row: number;
}

/** The picture that is made for a reply: how it is sampled, and where it lies in the view. */
interface Picture {
  readonly sampling: Sampling;
  readonly rotate: RotateStep | null;
  readonly turn: number;
  /** What is made, in pixels of the view; and the part of that which the reply shows. */
  readonly made: { readonly x: Span; readonly y: Span };
  readonly shown: { readonly x: Span; readonly y: Span };
}

/** Longest side of a composite or a view, in pixels; also the largest number of a request. */
const LARGEST_SIDE = 2147483648;

/** Pixels each side of a sample that the rotation may read. */
const ROTATE_REACH = 2;

/**
 * Plans a view. Throws `INVALID_REQUEST` for commands that contradict each other or leave nothing, `LIMIT_EXCEEDED`
 * with the setting's name, value and limit.
 */
export function planRegion(
  image: ImageStructure,
  request: ImageRequest,
  limits: LimitSettings = defaultLimits,
): RegionPlan {
  checkTogether(request);
  const { composite, view } = arrange(image, request, limits);
  const size = { width: view.x.reply.end - view.x.reply.start, height: view.y.reply.end - view.y.reply.start };
  checkReply(size, limits);
  const sharpen = sharpenSteps(request.sharpen);
  const margin = sharpen.reduce((sum, step) => sum + sharpenReach(step), 0);
  const isCroppedAway = isEmpty(composite.kept.x) || isEmpty(composite.kept.y);
  const picture = isCroppedAway
    ? null
    : composite.rotation === null
      ? uprightPicture(image, composite, view, margin)
      : rotatedPicture(image, composite, composite.rotation, view, margin, limits);
  const shared = {
    size,
    composite: composite.size,
    view: { width: view.x.length, height: view.y.length },
    kernel: request.kernel,
    linearLight: request.linearLight,
    sharpen,
  };
  const frame = {
    ...size,
    canvas: rectOf(
      inReply(canvasOf(view.x, composite.size.width), view.x),
      inReply(canvasOf(view.y, composite.size.height), view.y),
    ),
    canvasColour: request.layer.bgColor,
    background: request.bgc,
  };
  if (picture === null) return { ...shared, ...NOTHING, frame: { ...frame, left: 0, top: 0 } };
  const { sampling, rotate, turn, made, shown } = picture;
  const level = levelAt(image.levels, sampling.level);
  const columns = tapSpan(sampling.x, request.kernel);
  const rows = tapSpan(sampling.y, request.kernel);
  const tiles = rectOf(tileSpan(columns, level.tileWidth), tileSpan(rows, level.tileHeight));
  const decodedPixels = tiles.width * level.tileWidth * tiles.height * level.tileHeight;
  checkDecoded(decodedPixels, limits);
  return {
    ...shared,
    ...sampling,
    window: rectOf(columns, rows),
    tiles,
    rotate,
    turn,
    crop: rectOf(shift(shown.x, -made.x.start), shift(shown.y, -made.y.start)),
    frame: { ...frame, left: shown.x.start - view.x.reply.start, top: shown.y.start - view.y.reply.start },
    decodedPixels,
    empty: false,
  };
}

/**
 * The axes of a plan for a picture that starts at pixel (`originX`, `originY`) of the level and holds at least the
 * plan's window. What lies outside the window is never weighed, so `low … high` are drawn in to it. Those of an empty
 * plan stay as they are: there is no picture.
 */
export function relativeTo(plan: RegionPlan, originX: number, originY: number): { readonly x: Axis; readonly y: Axis } {
  const { window } = plan;
  if (plan.empty) return { x: plan.x, y: plan.y };
  const move = (axis: Axis, by: number, start: number, length: number): Axis => ({
    ...axis,
    origin: axis.origin - by,
    low: Math.max(axis.low, start) - by,
    high: Math.min(axis.high, start + length) - by,
  });
  return {
    x: move(plan.x, originX, window.left, window.width),
    y: move(plan.y, originY, window.top, window.height),
  };
}

/**
 * The stored tile that a reply is, pixel for pixel: sampled one to one, neither turned nor sharpened, and all of one
 * tile that lies wholly inside its level. null when it is anything else. Colours and encoding are not looked at.
 */
export function storedTileOf(plan: RegionPlan, image: ImageStructure): StoredTile | null {
  const { x, y, window, tiles, size, crop, frame } = plan;
  const level = image.levels[plan.level];
  if (plan.empty || level === undefined || plan.rotate !== null || plan.turn !== 1 || plan.sharpen.length > 0)
    return null;
  if (!isOneToOne(x) || !isOneToOne(y) || tiles.width !== 1 || tiles.height !== 1) return null;
  const isWhole = (rect: Rect): boolean =>
    rect.left === 0 && rect.top === 0 && rect.width === size.width && rect.height === size.height;
  if (!isWhole(crop) || !isWhole({ ...size, left: frame.left, top: frame.top })) return null;
  const isTile =
    window.left === tiles.left * level.tileWidth &&
    window.top === tiles.top * level.tileHeight &&
    window.width === level.tileWidth &&
    window.height === level.tileHeight &&
    size.width === level.tileWidth &&
    size.height === level.tileHeight;
  return isTile ? { level: plan.level, column: tiles.left, row: tiles.top } : null;
}

/** What a plan holds when there is nothing to decode. */
const NOTHING = {
  level: 0,
  window: { left: 0, top: 0, width: 0, height: 0 },
  tiles: { left: 0, top: 0, width: 0, height: 0 },
  x: { origin: 0, step: 1, first: 0, count: 0, low: 0, high: 1 },
  y: { origin: 0, step: 1, first: 0, count: 0, low: 0, high: 1 },
  rotate: null,
  turn: 1,
  crop: { left: 0, top: 0, width: 0, height: 0 },
  decodedPixels: 0,
  empty: true,
} as const;

/** Composite and view. A multiple of the view's size (`dpr`) that would break `maxPix` is brought down to it. */
function arrange(
  image: ImageStructure,
  request: ImageRequest,
  limits: LimitSettings,
): { readonly composite: Composite; readonly view: View } {
  const source = { size: orientedSize(image, image.orientation), resolution: image.resolution };
  const { dpr, rect } = request.view;
  const first = arrangeAt(source, request, dpr ?? 1);
  const { x, y } = first.view;
  if (dpr === null || rect !== null || !exceeds({ width: x.length, height: y.length }, limits)) return first;
  const [width, height] = limits.maxPix;
  const share = Math.min(width > 0 ? width / x.length : 1, height > 0 ? height / y.length : 1);
  return arrangeAt(source, request, dpr * share);
}

function arrangeAt(
  source: SourceFacts,
  request: ImageRequest,
  dpr: number,
): { readonly composite: Composite; readonly view: View } {
  const box = thumbnailRect(request, dpr, () => compose(source, { ...request, thumbnail: null }, null).size);
  const composite = compose(source, request, box);
  checkSides(request.layer.scale?.by ?? 'extend', composite.size);
  const view = arrangeView(composite.size, request, dpr, box);
  checkSides(request.view.rect === null ? 'scl' : 'rect', { width: view.x.length, height: view.y.length });
  return { composite, view };
}

/** Refuses pictures beyond what positions are exact in, whether or not they are ever made. */
function checkSides(command: string, { width, height }: Size): void {
  if (width <= LARGEST_SIDE && height <= LARGEST_SIDE) return;
  throw refusedRequest(command, `${width} × ${height}`, `makes a picture with a side above ${LARGEST_SIDE} pixels`);
}

/** The picture of an image that lies along the view's axes. null when the reply shows nothing of it. */
function uprightPicture(image: ImageStructure, composite: Composite, view: View, margin: number): Picture | null {
  const x = placeOnView(composite.x, view.x, margin);
  const y = placeOnView(composite.y, view.y, margin);
  if (x === null || y === null) return null;
  const stored = turnOf(image.orientation);
  const [acrossU, downU] = composite.x.source === 'x' ? [x, y] : [y, x];
  const [acrossS, downS] = stored.swap ? [downU, acrossU] : [acrossU, downU];
  const across = placeOnLevel(acrossS, image.width, stored.mirrorX, keptAlong(composite, acrossS));
  const down = placeOnLevel(downS, image.height, stored.mirrorY, keptAlong(composite, downS));
  return {
    sampling: sample(image.levels, across.placement, down.placement),
    rotate: null,
    turn: orientationOf({
      swap: stored.swap !== (composite.x.source === 'y'),
      mirrorX: across.mirrored,
      mirrorY: down.mirrored,
    }),
    made: { x: x.made, y: y.made },
    shown: { x: x.shown, y: y.shown },
  };
}

/** One axis of the view: edges `from` and `to` of the image (in S) lie at `placed`. */
interface Placed {
  readonly source: 'x' | 'y';
  readonly from: number;
  readonly to: number;
  readonly placed: Span;
  readonly shown: Span;
  readonly made: Span;
  /** Pixels of the view. */
  readonly length: number;
}

/**
 * Places the image on an axis of the view. Where it fills the composite, the region of interest lies edge to edge on
 * its pixels and the rest around it at the same scale; else the image's own edges are rounded.
 */
function placeOnView(content: Content, axis: ViewAxis, margin: number): Placed | null {
  const canvas = canvasOf(axis, content.length);
  const isFull = content.start <= 0 && content.end >= content.length;
  const own = roundSpan(onView(axis, content.start), onView(axis, content.end));
  const picture = isFull ? canvas : meetSpans(own, canvas);
  const shown = meetSpans(meetSpans(axis.reply, { start: 0, end: axis.length }), picture);
  if (isEmpty(shown)) return null;
  const fills = content.start === 0 && content.end === content.length;
  return {
    source: content.source,
    from: fills ? inSource(content, axis.region.start) : content.from,
    to: fills ? inSource(content, axis.region.end) : content.to,
    placed: fills ? axis.placed : own,
    shown,
    made: meetSpans({ start: shown.start - margin, end: shown.end + margin }, picture),
    length: axis.length,
  };
}

/** The same along an axis of the stored picture, counted from the left or top of the view before it is turned. */
function placeOnLevel(
  placed: Placed,
  length: number,
  isStoredMirrored: boolean,
  kept: Span,
): { readonly placement: Placement; readonly mirrored: boolean } {
  const from = isStoredMirrored ? length - placed.from : placed.from;
  const to = isStoredMirrored ? length - placed.to : placed.to;
  const mirrored = from > to;
  const count = (span: Span): Span => (mirrored ? mirrorSpan(span, placed.length) : span);
  return {
    mirrored,
    placement: {
      source: mirrored ? { start: to, end: from } : { start: from, end: to },
      placed: count(placed.placed),
      made: count(placed.made),
      kept: isStoredMirrored ? mirrorSpan(kept, length) : kept,
      length,
    },
  };
}

/** The picture of an image that lies aslant: resampled along its own axes, then rotated into the view. */
function rotatedPicture(
  image: ImageStructure,
  composite: Composite,
  toComposite: Affine,
  view: View,
  margin: number,
  limits: LimitSettings,
): Picture | null {
  const { x, y } = composite;
  const toView = chain(toComposite, onViewMap(view));
  const box = bounds(toView, x, y);
  const within = (axis: ViewAxis, length: number, start: number, end: number): Span =>
    meetSpans(touchSpan(start - 0.5, end + 0.5), canvasOf(axis, length));
  const area = {
    x: within(view.x, composite.size.width, box.left, box.right),
    y: within(view.y, composite.size.height, box.top, box.bottom),
  };
  const show = (axis: ViewAxis, span: Span): Span =>
    meetSpans(meetSpans(axis.reply, { start: 0, end: axis.length }), span);
  const shown = { x: show(view.x, area.x), y: show(view.y, area.y) };
  if (isEmpty(shown.x) || isEmpty(shown.y)) return null;
  const grow = (span: Span, all: Span): Span => meetSpans({ start: span.start - margin, end: span.end + margin }, all);
  const made = { x: grow(shown.x, area.x), y: grow(shown.y, area.y) };

  // The layer at the view's scale, still unturned, is a picture of its own with edges on whole pixels.
  const gridX = roundSpan(0, (x.end - x.start) * Math.hypot(toView.a, toView.d));
  const gridY = roundSpan(0, (y.end - y.start) * Math.hypot(toView.b, toView.e));
  const stored = turnOf(image.orientation);
  const toGrid = chain(
    invert(toView),
    scaleAndMove(1, 1, -x.start, -y.start),
    scaleAndMove(gridX.end / (x.end - x.start), gridY.end / (y.end - y.start), 0, 0),
    storedMap(image.orientation, gridX.end, gridY.end),
  );
  const [acrossGrid, downGrid] = stored.swap ? [gridY, gridX] : [gridX, gridY];
  const needed = bounds(toGrid, made.x, made.y);
  const reach = (start: number, end: number, grid: Span): Span =>
    meetSpans(touchSpan(start - ROTATE_REACH, end + ROTATE_REACH), grid);
  const across = reach(needed.left, needed.right, acrossGrid);
  const down = reach(needed.top, needed.bottom, downGrid);
  if (isEmpty(across) || isEmpty(down)) return null;
  checkHeld(
    { width: across.end - across.start, height: down.end - down.start },
    limits,
    'the picture that is to be rotated',
  );
  const place = (content: Content, grid: Span, madeOnGrid: Span, isMirrored: boolean): Placement => {
    const length = content.source === 'x' ? orientedWidth(image) : orientedHeight(image);
    const source = { start: content.from, end: content.to };
    const kept = keptAlong(composite, content);
    return {
      source: isMirrored ? mirrorSpan(source, length) : source,
      placed: grid,
      made: madeOnGrid,
      kept: isMirrored ? mirrorSpan(kept, length) : kept,
      length,
    };
  };
  const [contentX, contentY] = stored.swap ? [y, x] : [x, y];
  const sampling = sample(
    image.levels,
    place(contentX, acrossGrid, across, stored.mirrorX),
    place(contentY, downGrid, down, stored.mirrorY),
  );
  return {
    sampling,
    rotate: rotateStep(toGrid, made, rectOf(across, down), { width: acrossGrid.end, height: downGrid.end }),
    turn: 1,
    made,
    shown,
  };
}

/** The map between two pictures that start at whole pixels of the view and of the grid. No bit of a position depends on where. */
function rotateStep(
  toGrid: Affine,
  made: { readonly x: Span; readonly y: Span },
  { left, top }: Rect,
  grid: Size,
): RotateStep {
  const [a, b, c] = [dyadic(toGrid.a), dyadic(toGrid.b), dyadic(toGrid.c)];
  const [d, e, f] = [dyadic(toGrid.d), dyadic(toGrid.e), dyadic(toGrid.f)];
  return {
    width: made.x.end - made.x.start,
    height: made.y.end - made.y.start,
    a,
    b,
    c: a * made.x.start + b * made.y.start + c - left,
    d,
    e,
    f: d * made.x.start + e * made.y.start + f - top,
    bounds: { left: -left, top: -top, ...grid },
  };
}

/** From an upright picture of this size to the same picture as it is stored. */
function storedMap(orientation: number, width: number, height: number): Affine {
  const { swap, mirrorX, mirrorY } = turnOf(orientation);
  const alongX = { a: swap ? 0 : 1, b: swap ? 1 : 0, length: swap ? height : width };
  const alongY = { a: swap ? 1 : 0, b: swap ? 0 : 1, length: swap ? width : height };
  const row = (along: typeof alongX, isMirrored: boolean): readonly [number, number, number] =>
    isMirrored ? [-along.a, -along.b, along.length] : [along.a, along.b, 0];
  const [a, b, c] = row(alongX, mirrorX);
  const [d, e, f] = row(alongY, mirrorY);
  return { a, b, c, d, e, f };
}

/** Sharpening in its order (§13): the simple one, then the masks. A mask that does nothing is left out. */
function sharpenSteps({ simple, usm, usmR }: SharpenRequest): SharpenStep[] {
  const masks = [effective(usm), effective(usmR)].filter((mask) => mask !== null);
  return [
    ...(simple ? [{ kind: 'simple' } as const] : []),
    ...masks.map((mask) => ({ kind: 'unsharp', ...mask }) as const),
  ];
}

/** Pixels each side that a sharpened one depends on: `native/core/unsharp.cc` has 3σ, and one to be safe. */
function sharpenReach(step: SharpenStep): number {
  return step.kind === 'simple' ? 1 : touchSpan(0, 3 * step.radius).end + 1;
}

/** The composite's place in the view: whole pixels. */
function canvasOf(axis: ViewAxis, length: number): Span {
  return roundSpan(onView(axis, 0), onView(axis, length));
}

/** A span of the view in the reply, less what lies outside of either. */
function inReply(span: Span, { length, reply }: ViewAxis): Span {
  return shift(meetSpans(meetSpans(reply, { start: 0, end: length }), span), -reply.start);
}

/** From the composite to the view. */
function onView({ region, placed }: ViewAxis, edge: number): number {
  return placed.start + ((edge - region.start) * (placed.end - placed.start)) / (region.end - region.start);
}

function onViewMap({ x, y }: View): Affine {
  const scale = ({ region, placed }: ViewAxis): number => (placed.end - placed.start) / (region.end - region.start);
  return scaleAndMove(
    scale(x),
    scale(y),
    x.placed.start - x.region.start * scale(x),
    y.placed.start - y.region.start * scale(y),
  );
}

/** From the composite to S. */
function inSource({ from, to, start, end }: Content, edge: number): number {
  return from + ((edge - start) * (to - from)) / (end - start);
}

function keptAlong({ kept }: Composite, { source }: { readonly source: 'x' | 'y' }): Span {
  return source === 'x' ? kept.x : kept.y;
}

function orientedWidth(image: ImageStructure): number {
  return orientedSize(image, image.orientation).width;
}

function orientedHeight(image: ImageStructure): number {
  return orientedSize(image, image.orientation).height;
}

function mirrorSpan({ start, end }: Span, length: number): Span {
  return { start: length - end, end: length - start };
}

function shift({ start, end }: Span, by: number): Span {
  return { start: start + by, end: end + by };
}

function isEmpty({ start, end }: Span): boolean {
  return end <= start;
}
