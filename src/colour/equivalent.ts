/** Profiles that differ by less than 8 bits can show: the many copies of sRGB, above all. Pure. */
import { elementOf, isSameProfile, type Profile } from './parse.js';
import type { Xyz } from './writer.js';

/** Most that two colorants may differ by, Y of white = 1. */
const MOST_COLORANT = 5e-4;
/** Most that a value of 0…1 may move by for another curve: half a step of 8 bits. */
const MOST_CURVE_SHIFT = 0.5 / 255;
/** The same for curves and colorants together: less than a step and a half, so that a rounded value moves by one step at most. */
const MOST_SHIFT = 1.4 / 255;
/** Values of which all combinations are tried: close together where curves are steep. */
const NODES = [0, 1, 2, 4, 8, 16, 32, 64, 96, 128, 160, 192, 224, 255].map((value) => value / 255);

type Curve = (value: number) => number;

/** A profile of curves alone: how its values become linear, and what they are then. */
interface CurveProfile {
  readonly curves: readonly Curve[];
  /** Of red, green and blue; null for gray. */
  readonly colorants: readonly [Xyz, Xyz, Xyz] | null;
}

const verdicts = new WeakMap<Profile, WeakMap<Profile, boolean>>();

/**
 * Whether a conversion from one profile to the other would leave 8-bit values as they are, or move some by one step: both
 * are the same, or both are of curves (with three colorants, or gray) that are this close. Never for the absolute intent,
 * which looks at the white points too, and not for 16 bits: there only the same is the same.
 */
export function isEquivalentProfile(a: Profile, b: Profile): boolean {
  if (isSameProfile(a, b)) return true;
  if (a.read?.kind !== 'curves' || b.read?.kind !== 'curves' || a.pixelSpace !== b.pixelSpace) return false;
  let ofA = verdicts.get(a);
  if (ofA === undefined) {
    ofA = new WeakMap();
    verdicts.set(a, ofA);
  }
  let verdict = ofA.get(b);
  if (verdict === undefined) {
    verdict = areClose(curveProfile(a), curveProfile(b));
    ofA.set(b, verdict);
  }
  return verdict;
}

function areClose(a: CurveProfile | null, b: CurveProfile | null): boolean {
  if (a === null || b === null) return false;
  // A curve tells of light: what matters is by how much a value has to move for the same light.
  for (let value = 0; value <= 255; value++) {
    for (const [channel, curve] of a.curves.entries()) {
      if (!isNear(b.curves[channel], value / 255, curve(value / 255))) return false;
    }
  }
  if (a.colorants === null || b.colorants === null) return a.colorants === b.colorants;
  const [ofA, ofB] = [a.colorants, b.colorants];
  if (ofA.some((xyz, i) => xyz.some((part, j) => Math.abs(part - (ofB[i]?.[j] ?? 0)) > MOST_COLORANT))) return false;
  return matricesAreClose(a.curves, b.curves, multiply(invert(ofB), ofA));
}

/** Whether colours of all nodes, made linear and put through a matrix (of columns), are where the other curves have them. */
function matricesAreClose(from: readonly Curve[], to: readonly Curve[], matrix: readonly Xyz[]): boolean {
  const light = from.map((curve) => NODES.map(curve));
  const ranges = to.map((curve) => NODES.map((node) => rangeOf(curve, node, MOST_SHIFT)));
  const [columnR, columnG, columnB] = matrix;
  if (columnR === undefined || columnG === undefined || columnB === undefined) return false;
  for (const r of NODES.keys()) {
    for (const g of NODES.keys()) {
      for (const b of NODES.keys()) {
        const [red, green, blue] = [light[0]?.[r] ?? 0, light[1]?.[g] ?? 0, light[2]?.[b] ?? 0];
        for (const [channel, node] of [r, g, b].entries()) {
          const made = red * (columnR[channel] ?? 0) + green * (columnG[channel] ?? 0) + blue * (columnB[channel] ?? 0);
          const [least, most] = ranges[channel]?.[node] ?? [0, 0];
          if (made < least || made > most) return false;
        }
      }
    }
  }
  return true;
}

function isNear(curve: Curve | undefined, value: number, light: number): boolean {
  if (curve === undefined) return false;
  const [least, most] = rangeOf(curve, value, MOST_CURVE_SHIFT);
  return light >= least && light <= most;
}

/** The light of what is near a value. Beyond black and white everything is black and white. */
function rangeOf(curve: Curve, value: number, shift: number): readonly [least: number, most: number] {
  const below = value - shift;
  const above = value + shift;
  return [below < 0 ? Number.NEGATIVE_INFINITY : curve(below), above > 1 ? Number.POSITIVE_INFINITY : curve(above)];
}

function curveProfile(profile: Profile): CurveProfile | null {
  if (profile.pixelSpace === 'gray') {
    const curve = readCurve(profile, 'kTRC');
    return curve === null ? null : { curves: [curve], colorants: null };
  }
  const [red, green, blue] = ['r', 'g', 'b'].map((channel) => ({
    curve: readCurve(profile, `${channel}TRC`),
    colorant: readColorant(profile, `${channel}XYZ`),
  }));
  if (!red?.curve || !green?.curve || !blue?.curve) return null;
  if (red.colorant === null || green.colorant === null || blue.colorant === null) return null;
  return {
    curves: [red.curve, green.curve, blue.curve],
    colorants: [red.colorant, green.colorant, blue.colorant],
  };
}

function readColorant(profile: Profile, tag: string): Xyz | null {
  const element = elementOf(profile, tag);
  if (element === null || element.length < 20) return null;
  return [fixed(element, 8), fixed(element, 12), fixed(element, 16)];
}

function fixed(element: Buffer, at: number): number {
  return element.readInt32BE(at) / 65536;
}

/** A `curv` or `para` element, which {@link Profile} has checked; null for what is neither. */
function readCurve(profile: Profile, tag: string): Curve | null {
  const element = elementOf(profile, tag);
  const type = element?.toString('latin1', 0, 4);
  if (element === null || (type !== 'curv' && type !== 'para')) return null;
  return type === 'curv' ? sampledCurve(element) : parametricCurve(element);
}

function sampledCurve(element: Buffer): Curve {
  const count = element.readUInt32BE(8);
  if (count === 0) return (x) => x;
  if (count === 1) {
    const gamma = element.readUInt16BE(12) / 256;
    return (x) => x ** gamma;
  }
  return (x) => {
    const place = x * (count - 1);
    const first = Math.min(Math.floor(place), count - 2);
    const [low, high] = [element.readUInt16BE(12 + 2 * first), element.readUInt16BE(14 + 2 * first)];
    return (low + (high - low) * (place - first)) / 65535;
  };
}

/** Parameters of each function, as ICC.1:2022, table 68, names them, in their order. */
const PARAMETERS = ['g', 'gab', 'gabc', 'gabcd', 'gabcdef'];

function parametricCurve(element: Buffer): Curve | null {
  const kind = element.readUInt16BE(8);
  const names = PARAMETERS[kind];
  if (names === undefined) return null;
  const value = (name: string, absent: number): number =>
    names.includes(name) ? fixed(element, 12 + 4 * names.indexOf(name)) : absent;
  const [g, a, b] = [value('g', 1), value('a', 1), value('b', 0)];
  // Function 2 adds its c everywhere, 3 and 4 have it as the slope near black.
  const offset = kind === 2 ? value('c', 0) : value('e', 0);
  const slope = kind >= 3 ? value('c', 0) : 0;
  const foot = kind === 2 ? offset : value('f', 0);
  const edge = kind >= 3 ? value('d', 0) : kind === 0 ? 0 : -b / a;
  return (x) => Math.min(Math.max(x >= edge ? Math.max(a * x + b, 0) ** g + offset : slope * x + foot, 0), 1);
}

type Matrix = readonly [Xyz, Xyz, Xyz];

/** Of matrices of columns. */
function multiply(a: Matrix, b: Matrix): readonly Xyz[] {
  return b.map(([x, y, z]): Xyz => {
    const row = (i: 0 | 1 | 2): number => a[0][i] * x + a[1][i] * y + a[2][i] * z;
    return [row(0), row(1), row(2)];
  });
}

function invert([a, b, c]: Matrix): Matrix {
  const cross = (u: Xyz, v: Xyz): Xyz => [
    u[1] * v[2] - u[2] * v[1],
    u[2] * v[0] - u[0] * v[2],
    u[0] * v[1] - u[1] * v[0],
  ];
  const rows = [cross(b, c), cross(c, a), cross(a, b)] as const;
  const determinant = a[0] * rows[0][0] + a[1] * rows[0][1] + a[2] * rows[0][2];
  const column = (i: 0 | 1 | 2): Xyz => [rows[0][i] / determinant, rows[1][i] / determinant, rows[2][i] / determinant];
  return [column(0), column(1), column(2)];
}
