/** Affine maps of the plane: `(x, y)` goes to `(a·x + b·y + c, d·x + e·y + f)`. */

/** One such map. */
export interface Affine {
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
  readonly e: number;
  readonly f: number;
}

/** Scales, then moves. */
export function scaleAndMove(scaleX: number, scaleY: number, moveX: number, moveY: number): Affine {
  return { a: scaleX, b: 0, c: moveX, d: 0, e: scaleY, f: moveY };
}

/** Turns about the origin, clockwise where y runs down. */
export function rotation(degrees: number): Affine {
  const angle = (degrees * Math.PI) / 180;
  const sine = Math.sin(angle);
  const cosine = Math.cos(angle);
  return { a: cosine, b: -sine, c: 0, d: sine, e: cosine, f: 0 };
}

/** All of them, the first one first. */
export function chain(...maps: readonly Affine[]): Affine {
  return maps.reduce((first, then) => ({
    a: then.a * first.a + then.b * first.d,
    b: then.a * first.b + then.b * first.e,
    c: then.a * first.c + then.b * first.f + then.c,
    d: then.d * first.a + then.e * first.d,
    e: then.d * first.b + then.e * first.e,
    f: then.d * first.c + then.e * first.f + then.f,
  }));
}

/** The way back. The map must not flatten the plane. */
export function invert({ a, b, c, d, e, f }: Affine): Affine {
  const determinant = a * e - b * d;
  return {
    a: e / determinant,
    b: -b / determinant,
    c: (b * f - c * e) / determinant,
    d: -d / determinant,
    e: a / determinant,
    f: (c * d - a * f) / determinant,
  };
}

/** Where a point goes. */
export function apply(map: Affine, x: number, y: number): { readonly x: number; readonly y: number } {
  return { x: map.a * x + map.b * y + map.c, y: map.d * x + map.e * y + map.f };
}

/** The upright rectangle around where the rectangle between two corners goes. */
export function bounds(
  map: Affine,
  x: { readonly start: number; readonly end: number },
  y: { readonly start: number; readonly end: number },
): { readonly left: number; readonly right: number; readonly top: number; readonly bottom: number } {
  const corners = [x.start, x.end].flatMap((cx) => [y.start, y.end].map((cy) => apply(map, cx, cy)));
  const xs = corners.map((corner) => corner.x);
  const ys = corners.map((corner) => corner.y);
  return { left: Math.min(...xs), right: Math.max(...xs), top: Math.min(...ys), bottom: Math.max(...ys) };
}
