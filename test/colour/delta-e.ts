/** The colour difference CIEDE2000, from its published formula (CIE 142-2001; Sharma, Wu and Dalal 2005). */

/** CIE L*, a*, b*. */
export type LabColour = readonly [l: number, a: number, b: number];

const RADIANS = Math.PI / 180;
const cos = (degrees: number): number => Math.cos(degrees * RADIANS);
const sin = (degrees: number): number => Math.sin(degrees * RADIANS);
/** √(c⁷ / (c⁷ + 25⁷)) */
const saturation = (c: number): number => Math.sqrt(c ** 7 / (c ** 7 + 25 ** 7));

/** With all parametric factors 1. */
export function deltaE2000([l1, a1, b1]: LabColour, [l2, a2, b2]: LabColour): number {
  const g = 0.5 * (1 - saturation((Math.hypot(a1, b1) + Math.hypot(a2, b2)) / 2));
  const [x1, x2] = [(1 + g) * a1, (1 + g) * a2];
  const [c1, c2] = [Math.hypot(x1, b1), Math.hypot(x2, b2)];
  const hue = (x: number, b: number): number => (x === 0 && b === 0 ? 0 : (Math.atan2(b, x) / RADIANS + 360) % 360);
  const [h1, h2] = [hue(x1, b1), hue(x2, b2)];
  const isGray = c1 * c2 === 0;
  const turn = h2 - h1;
  const dh = isGray ? 0 : turn > 180 ? turn - 360 : turn < -180 ? turn + 360 : turn;
  const [dl, dc, dH] = [l2 - l1, c2 - c1, 2 * Math.sqrt(c1 * c2) * sin(dh / 2)];
  const [l, c] = [(l1 + l2) / 2, (c1 + c2) / 2];
  const sum = h1 + h2;
  const h = isGray ? sum : Math.abs(turn) <= 180 ? sum / 2 : sum < 360 ? (sum + 360) / 2 : (sum - 360) / 2;
  const t = 1 - 0.17 * cos(h - 30) + 0.24 * cos(2 * h) + 0.32 * cos(3 * h + 6) - 0.2 * cos(4 * h - 63);
  const sl = 1 + (0.015 * (l - 50) ** 2) / Math.sqrt(20 + (l - 50) ** 2);
  const sc = 1 + 0.045 * c;
  const sh = 1 + 0.015 * c * t;
  const rt = -sin(60 * Math.exp(-(((h - 275) / 25) ** 2))) * 2 * saturation(c);
  return Math.sqrt((dl / sl) ** 2 + (dc / sc) ** 2 + (dH / sh) ** 2 + rt * (dc / sc) * (dH / sh));
}

const linear = Float64Array.from({ length: 256 }, (_, i) =>
  i / 255 <= 0.04045 ? i / 255 / 12.92 : ((i / 255 + 0.055) / 1.055) ** 2.4,
);

/** L*a*b* (D50) of an sRGB colour of 0…255. */
export function labOfSrgb(red: number, green: number, blue: number): LabColour {
  const [r = 0, g = 0, b = 0] = [linear[red], linear[green], linear[blue]];
  const f = (t: number): number => (t > 216 / 24389 ? Math.cbrt(t) : (24389 / 27 / 116) * t + 16 / 116);
  const x = f((0.43604 * r + 0.38512 * g + 0.14305 * b) / 0.9642);
  const y = f(0.22249 * r + 0.7169 * g + 0.06061 * b);
  const z = f((0.01392 * r + 0.09706 * g + 0.71393 * b) / 0.82491);
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}
