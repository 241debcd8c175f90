/**
 * What tests of plans need: images, requests, an executor that follows a plan's geometry pixel by pixel, and the same
 * positions worked out from the request alone.
 */
import fc from 'fast-check';
import { ceilDiv, levelSizes } from '../../src/geometry.js';
import { defaultLimits, type LimitSettings } from '../../src/region/limits.js';
import type { ImageStructure, RegionPlan } from '../../src/region/plan.js';
import {
  defaultRequest,
  type Flip,
  type ImageRequest,
  type LayerRequest,
  type ViewRequest,
} from '../../src/region/request.js';

/** A place in the full level as stored, in pixels; undefined where a pixel shows nothing of the image. */
export type Place = { readonly x: number; readonly y: number } | undefined;

export const NO_LIMITS: LimitSettings = { maxPix: [0, 0], maxRenderRgnPixels: 1e9, maxDecodedPixels: 1e9 };

/** An image with levels of 2:1. */
export function imageOf(
  width: number,
  height: number,
  tileSize = 16,
  orientation = 1,
  resolution = 72,
): ImageStructure {
  const levels = levelSizes({ width, height }, tileSize, 'onetile').map((size, index) => ({
    ...size,
    downsampleX: 2 ** index,
    downsampleY: 2 ** index,
    tileWidth: tileSize,
    tileHeight: tileSize,
  }));
  return { width, height, orientation, levels, resolution };
}

/** A request that differs from the default one. */
export function requestOf(
  changes: Omit<Partial<ImageRequest>, 'layer' | 'view'> & {
    readonly layer?: Partial<LayerRequest>;
    readonly view?: Partial<ViewRequest>;
  },
): ImageRequest {
  return {
    ...defaultRequest,
    ...changes,
    layer: { ...defaultRequest.layer, ...changes.layer },
    view: { ...defaultRequest.view, ...changes.view },
  };
}

/** Where each pixel of the reply is sampled, row by row, as native code would do it by the plan. */
export function execute(plan: RegionPlan, image: ImageStructure): Place[] {
  const level = image.levels[plan.level];
  if (level === undefined) throw new Error('no such level');
  const { size, crop, frame, rotate, turn, x, y } = plan;
  const made = rotate ?? { width: x.count, height: y.count };
  const [width, height] = turn >= 5 ? [made.height, made.width] : [made.width, made.height];
  const places: Place[] = [];
  for (let row = 0; row < size.height; row++) {
    for (let column = 0; column < size.width; column++) {
      const across = column - frame.left;
      const down = row - frame.top;
      if (plan.empty || across < 0 || down < 0 || across >= crop.width || down >= crop.height) {
        places.push(undefined);
        continue;
      }
      const [u, v] = unturn(across + crop.left + 0.5, down + crop.top + 0.5, width, height, turn);
      const gx = rotate ? rotate.a * u + rotate.b * v + rotate.c : u;
      const gy = rotate ? rotate.d * u + rotate.e * v + rotate.f : v;
      if (gx < 0 || gy < 0 || gx > x.count || gy > y.count) {
        places.push(undefined);
        continue;
      }
      places.push({
        x: (x.origin + (x.first + gx) * x.step) * level.downsampleX,
        y: (y.origin + (y.first + gy) * y.step) * level.downsampleY,
      });
    }
  }
  return places;
}

/** The place in the picture as stored that is shown at (`x`, `y`) of one `width` × `height` when turned. */
export function unturn(x: number, y: number, width: number, height: number, turn: number): [number, number] {
  switch (turn) {
    case 2:
      return [width - x, y];
    case 3:
      return [width - x, height - y];
    case 4:
      return [x, height - y];
    case 5:
      return [y, x];
    case 6:
      return [y, width - x];
    case 7:
      return [height - y, width - x];
    case 8:
      return [height - y, x];
    default:
      return [x, y];
  }
}

interface Interval {
  readonly from: number;
  readonly to: number;
}

/** Half up, as the specification rounds. */
export const halfUp = (value: number): number => Math.floor(value + 0.5 + 1e-9);
const atLeast1 = (value: number): number => Math.max(1, halfUp(value));

/** The same places, from the request alone (ordinary views only). */
export function direct(image: ImageStructure, request: ImageRequest): { size: [number, number]; places: Place[] } {
  const [ws, hs] = image.orientation >= 5 ? [image.height, image.width] : [image.width, image.height];
  const { layer, view } = request;
  const crop = layer.crop ?? { x: 0, y: 0, width: ws, height: hs };
  const [cw, ch] = [crop.width || ws - crop.x, crop.height || hs - crop.y];
  let s = 1;
  if (layer.scale?.by === 'scale') s = layer.scale.factor;
  if (layer.scale?.by === 'res') s = layer.scale.dpi / image.resolution;
  if (layer.scale?.by === 'size') {
    s = Math.min(layer.scale.width ? layer.scale.width / cw : 1e9, layer.scale.height ? layer.scale.height / ch : 1e9);
    if (s === 1e9) s = 1;
  }
  const [wl, hl] = [atLeast1(cw * s), atLeast1(ch * s)];
  const flipped = (x: number, y: number, w: number, h: number, flip: Flip): [number, number] => [
    flip.startsWith('lr') ? w - x : x,
    flip.endsWith('ud') ? h - y : y,
  ];
  const angle = (layer.rotate * Math.PI) / 180;
  const exact = layer.rotate % 90 === 0;
  const clean = (value: number): number => (exact ? Math.round(value) : value);
  const [cos, sin] = [clean(Math.cos(angle)), clean(Math.sin(angle))];
  const anchor = layer.anchor
    ? layer.anchor.unit === 'parts'
      ? [(0.5 + layer.anchor.x) * ws, (0.5 + layer.anchor.y) * hs]
      : [layer.anchor.x, layer.anchor.y]
    : [ws / 2, hs / 2];
  const toLayer = (x: number, y: number): [number, number] => [((x - crop.x) * wl) / cw, ((y - crop.y) * hl) / ch];
  const [ax, ay] = flipped(...toLayer(anchor[0] as number, anchor[1] as number), wl, hl, layer.flip);
  const spin = (x: number, y: number): [number, number] => [
    cos * (x - ax) - sin * (y - ay),
    sin * (x - ax) + cos * (y - ay),
  ];
  const corners = [spin(0, 0), spin(wl, 0), spin(0, hl), spin(wl, hl)];
  const down = (value: number): number => (exact ? value : Math.floor(value + 1e-6));
  const up = (value: number): number => (exact ? value : Math.ceil(value - 1e-6));
  const left = down(Math.min(...corners.map(([x]) => x)));
  const top = down(Math.min(...corners.map(([, y]) => y)));
  const [wr, hr] = [
    Math.round(up(Math.max(...corners.map(([x]) => x))) - left),
    Math.round(up(Math.max(...corners.map(([, y]) => y))) - top),
  ];
  const e = layer.extend ?? { unit: 'pixels', left: 0, top: 0, right: 0, bottom: 0 };
  const parts = e.unit === 'parts';
  const [el, er] = parts ? [halfUp(e.left * wr), halfUp(e.right * wr)] : [e.left, e.right];
  const [et, eb] = parts ? [halfUp(e.top * hr), halfUp(e.bottom * hr)] : [e.top, e.bottom];
  const [wc, hc] = [wr + el + er, hr + et + eb];
  /** From S to C. */
  const forward = (x: number, y: number): [number, number] => {
    const [rx, ry] = spin(...flipped(...toLayer(x, y), wl, hl, layer.flip));
    return flipped(rx - left + el, ry - top + et, wc, hc, request.flip);
  };
  const back = (x: number, y: number): [number, number] => {
    const [ux, uy] = flipped(x, y, wc, hc, request.flip);
    const [px, py] = [ux - el + left, uy - et + top];
    const [lx, ly] = flipped(cos * px + sin * py + ax, -sin * px + cos * py + ay, wl, hl, layer.flip);
    return [(lx * cw) / wl + crop.x, (ly * ch) / hl + crop.y];
  };

  const vx = axisOf(
    view,
    'x',
    wc,
    view.rgn ? { from: view.rgn.x, to: view.rgn.x + view.rgn.width } : { from: 0, to: wc },
    view.rgn ? [view.rgn.width, view.rgn.height] : [wc, hc],
  );
  const vy = axisOf(
    view,
    'y',
    hc,
    view.rgn ? { from: view.rgn.y, to: view.rgn.y + view.rgn.height } : { from: 0, to: hc },
    view.rgn ? [view.rgn.width, view.rgn.height] : [wc, hc],
  );

  const kept = {
    x0: Math.max(crop.x, 0),
    x1: Math.min(crop.x + cw, ws),
    y0: Math.max(crop.y, 0),
    y1: Math.min(crop.y + ch, hs),
  };
  const isNothing = kept.x0 >= kept.x1 || kept.y0 >= kept.y1;
  const edges = [forward(kept.x0, kept.y0), forward(kept.x1, kept.y1)];
  const near = (a: number, b: number): number => (Math.abs(a - b) < 1e-7 ? b : a);
  const ends = (axis: 0 | 1, length: number): Interval => ({
    from: near(Math.min(...edges.map((p) => p[axis])), 0),
    to: near(Math.max(...edges.map((p) => p[axis])), length),
  });
  const own = { x: ends(0, wc), y: ends(1, hc) };

  const [rw, rh] = view.rect ? [view.rect.width, view.rect.height] : [vx.length, vy.length];
  const places: Place[] = [];
  for (let j = 0; j < rh; j++) {
    for (let i = 0; i < rw; i++) {
      const px = i + 0.5 + (view.rect?.x ?? 0);
      const py = j + 0.5 + (view.rect?.y ?? 0);
      const inside = vx.holds(px) && vy.holds(py) && !isNothing;
      let upright: [number, number] | undefined;
      if (inside && exact) {
        const cx = vx.throughContent(px, own.x);
        const cy = vy.throughContent(py, own.y);
        if (cx !== undefined && cy !== undefined) upright = back(cx, cy);
      } else if (inside) {
        const [x, y] = back(vx.toComposite(px), vy.toComposite(py));
        if (x >= kept.x0 && x <= kept.x1 && y >= kept.y0 && y <= kept.y1) upright = [x, y];
      }
      if (upright === undefined) places.push(undefined);
      else {
        const [x, y] = unturn(upright[0], upright[1], ws, hs, image.orientation);
        places.push({ x, y });
      }
    }
  }
  return { size: [rw, rh], places };
}

/** One axis of §5.3, from the text. */
function axisOf(view: ViewRequest, side: 'x' | 'y', composite: number, region: Interval, roi: [number, number]) {
  const r = region.to - region.from;
  const table = viewTable(view, roi[0], roi[1]);
  const s = table.s[side];
  const n = table.size[side];
  const k = view.rect?.scale ?? 1;
  const size = atLeast1(r * s);
  let o = size === n ? 0 : halfUp((n - r * s) * ((table.align[side] + 1) / 2));
  if (size < n) o = Math.min(o, n - size);
  const f0 = halfUp(o * k);
  const f1 = Math.max(f0 + 1, halfUp((o + size) * k));
  const length = atLeast1(n * k);
  const toView = (c: number): number => f0 + ((c - region.from) * (f1 - f0)) / r;
  const toComposite = (v: number): number => region.from + ((v - f0) * r) / (f1 - f0);
  const c0 = halfUp(toView(0));
  const c1 = Math.max(c0 + 1, halfUp(toView(composite)));
  return {
    length,
    toComposite,
    holds: (v: number): boolean => v > 0 && v < length && v > c0 && v < c1,
    throughContent(v: number, own: Interval): number | undefined {
      if (own.from === 0 && own.to === composite) return toComposite(v);
      const p0 = halfUp(toView(own.from));
      const p1 = Math.max(p0 + 1, halfUp(toView(own.to)));
      return v < p0 || v > p1 ? undefined : own.from + ((v - p0) * (own.to - own.from)) / (p1 - p0);
    },
  };
}

/** Scale, view size and effective alignment of §5.3. */
export function viewTable(view: ViewRequest, wr: number, hr: number) {
  const { wid: w, hei: h, scl, align } = view;
  const centre = { x: 0, y: 0 };
  const natural = (s: number, place = centre) => ({
    s: { x: s, y: s },
    size: { x: atLeast1(wr * s), y: atLeast1(hr * s) },
    align: place,
  });
  if (scl !== null) {
    const all = natural(1 / scl, align);
    return { ...all, size: { x: w ?? all.size.x, y: h ?? all.size.y } };
  }
  const mode = view.fit?.mode ?? 'fit';
  const clamp = (v: number): number => (view.fit?.upscale ? v : Math.min(1, v));
  if (w === null && h === null) {
    const [dw, dh] = view.defaultPix;
    return natural(Math.min(1, dw > 0 ? dw / wr : 1, dh > 0 ? dh / hr : 1));
  }
  if (h === null) return natural(clamp((w as number) / wr));
  if (w === null) return natural(clamp(h / hr));
  const [xs, ys] = [clamp(w / wr), clamp(h / hr)];
  const padded = (x: number, y: number, place: { x: number; y: number } = align) => ({
    s: { x, y },
    size: { x: w, y: h },
    align: place,
  });
  switch (mode) {
    case 'fit':
      return padded(Math.min(xs, ys), Math.min(xs, ys));
    case 'constrain':
      return natural(Math.min(xs, ys));
    case 'crop':
      return padded(Math.max(xs, ys), Math.max(xs, ys));
    case 'wrap':
      return natural(Math.max(xs, ys));
    case 'stretch':
      return padded(xs, ys, centre);
    case 'hfit':
      return padded(xs, xs);
    case 'vfit':
      return padded(ys, ys);
  }
}

const flips = fc.constantFrom<Flip>('none', 'lr', 'ud', 'lrud');
const small = fc.integer({ min: 1, max: 60 });
const near0 = fc.integer({ min: -30, max: 60 });
const orNull = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(arbitrary, { nil: null });

/** Images of a few tiles. */
export const images = fc
  .record({
    width: fc.integer({ min: 1, max: 90 }),
    height: fc.integer({ min: 1, max: 90 }),
    orientation: fc.integer({ min: 1, max: 8 }),
  })
  .map(({ width, height, orientation }) => imageOf(width, height, 16, orientation));

const layers: fc.Arbitrary<Partial<LayerRequest>> = fc.record({
  crop: orNull(
    fc.record({
      unit: fc.constant('pixels' as const),
      x: fc.integer({ min: -20, max: 40 }),
      y: fc.integer({ min: -20, max: 40 }),
      width: small,
      height: small,
    }),
  ),
  scale: orNull(
    fc.oneof(
      fc.record({
        by: fc.constant('size' as const),
        width: fc.integer({ min: 0, max: 80 }),
        height: fc.integer({ min: 0, max: 80 }),
      }),
      fc.record({ by: fc.constant('scale' as const), factor: fc.integer({ min: 1, max: 24 }).map((n) => n / 8) }),
      fc.record({ by: fc.constant('res' as const), dpi: fc.integer({ min: 20, max: 150 }) }),
    ),
  ),
  flip: flips,
  rotate: fc.oneof(
    fc.constantFrom(0, 0, 90, 180, 270, -90, 450),
    fc.integer({ min: -400, max: 400 }).map((n) => n + 0.25),
  ),
  anchor: orNull(
    fc.oneof(
      fc.record({ unit: fc.constant('pixels' as const), x: near0, y: near0 }),
      fc.record({
        unit: fc.constant('parts' as const),
        x: fc.constantFrom(-0.5, 0, 0.25),
        y: fc.constantFrom(-0.5, 0, 0.3),
      }),
    ),
  ),
  extend: orNull(
    fc.oneof(
      fc.record({
        unit: fc.constant('pixels' as const),
        left: fc.integer({ min: -3, max: 12 }),
        top: fc.integer({ min: -3, max: 12 }),
        right: fc.integer({ min: -3, max: 12 }),
        bottom: fc.integer({ min: -3, max: 12 }),
      }),
      fc.record({
        unit: fc.constant('parts' as const),
        left: fc.constantFrom(0, 0.1, 0.5),
        top: fc.constantFrom(0, 0.3),
        right: fc.constantFrom(0, -0.1, 0.2),
        bottom: fc.constantFrom(0, 0.25),
      }),
    ),
  ),
});

const share = fc.constantFrom(-1, -0.5, 0, 0.3, 1);

/** Views without `rect`. */
export const views: fc.Arbitrary<Partial<ViewRequest>> = fc
  .record({
    rgn: orNull(fc.record({ x: near0, y: near0, width: small, height: small })),
    wid: orNull(fc.integer({ min: 1, max: 70 })),
    hei: orNull(fc.integer({ min: 1, max: 70 })),
    scl: fc.option(
      fc.integer({ min: 2, max: 12 }).map((n) => n / 4),
      { nil: null, freq: 4 },
    ),
    fit: orNull(
      fc.record({
        mode: fc.constantFrom('fit', 'constrain', 'crop', 'wrap', 'stretch', 'hfit', 'vfit' as const),
        upscale: fc.boolean(),
      }),
    ),
    align: fc.record({ x: share, y: share }),
    defaultPix: fc.constantFrom<readonly [number, number]>([40, 40], [0, 0], [0, 25]),
  })
  .map((view) => (view.wid === null && view.hei === null && view.scl === null ? { ...view, fit: null } : view));

const masks = fc.record({
  amount: fc.constant(1),
  radius: fc.constantFrom(0.3, 1, 2.5),
  threshold: fc.constant(0),
  monochrome: fc.boolean(),
});

/** Ordinary views of any kind, without `rect`. */
export const requests: fc.Arbitrary<ImageRequest> = fc
  .record({
    layer: layers,
    view: views,
    flip: flips,
    kernel: fc.constantFrom('bilin', 'bicub', 'sharp2', 'bisharp' as const),
    sharpen: fc.record({ simple: fc.boolean(), usm: orNull(masks), usmR: fc.constant(null) }),
  })
  .map(requestOf);

/** How many tiles cover a level each way. */
export function tilesOf(level: {
  width: number;
  height: number;
  tileWidth: number;
  tileHeight: number;
}): [number, number] {
  return [ceilDiv(level.width, level.tileWidth), ceilDiv(level.height, level.tileHeight)];
}

export { defaultLimits };
