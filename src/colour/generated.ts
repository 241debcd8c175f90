/** The RGB working spaces and gray profiles that are made here, from published figures (colour-management §6). */
import { PyramidionError } from '../errors.js';
import { lookupNamed, type NamedProfile } from './named.js';
import { PCS_WHITE_FIXED, type ToneCurve, toFixed, writeGrayProfile, writeRgbProfile, type Xyz } from './writer.js';

type Chromaticity = readonly [x: number, y: number];
type Matrix = readonly [Xyz, Xyz, Xyz];

/** What defines an RGB space: CIE 1931 chromaticities and a curve. */
interface RgbSpace {
  readonly red: Chromaticity;
  readonly green: Chromaticity;
  readonly blue: Chromaticity;
  readonly white: Chromaticity;
  readonly curve: ToneCurve;
}

const D65: Chromaticity = [0.3127, 0.329];
const D50: Chromaticity = [0.3457, 0.3585];
const C: Chromaticity = [0.3101, 0.3162];
const E: Chromaticity = [1 / 3, 1 / 3];

/** 563/256, as Photoshop's 2.2; 461/256 as its 1.8. */
const GAMMA_22: ToneCurve = { gamma: 563 / 256 };
const GAMMA_18: ToneCurve = { gamma: 461 / 256 };
const CURVE_SAMPLES = 4096;
const SRGB_CURVE: ToneCurve = {
  samples: Uint16Array.from({ length: CURVE_SAMPLES }, (_, index) => {
    const value = index / (CURVE_SAMPLES - 1);
    return Math.round(65535 * (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
  }),
};

/** By identifier. The sources of the figures are named in colour-management §6.1. */
const RGB_SPACES: Readonly<Record<string, RgbSpace>> = {
  AdobeRGB: { red: [0.64, 0.33], green: [0.21, 0.71], blue: [0.15, 0.06], white: D65, curve: GAMMA_22 },
  AppleRGB: { red: [0.625, 0.34], green: [0.28, 0.595], blue: [0.155, 0.07], white: D65, curve: GAMMA_18 },
  CIERGB: { red: [0.735, 0.265], green: [0.274, 0.717], blue: [0.167, 0.009], white: E, curve: GAMMA_22 },
  ColorMatchRGB: { red: [0.63, 0.34], green: [0.295, 0.605], blue: [0.15, 0.075], white: D50, curve: GAMMA_18 },
  NTSC: { red: [0.67, 0.33], green: [0.21, 0.71], blue: [0.14, 0.08], white: C, curve: GAMMA_22 },
  PAL: { red: [0.64, 0.33], green: [0.29, 0.6], blue: [0.15, 0.06], white: D65, curve: GAMMA_22 },
  ProPhoto: {
    red: [0.7347, 0.2653],
    green: [0.1596, 0.8404],
    blue: [0.0366, 0.0001],
    white: D50,
    curve: GAMMA_18,
  },
  SMPTE: { red: [0.63, 0.34], green: [0.31, 0.595], blue: [0.155, 0.07], white: D65, curve: GAMMA_22 },
  sRGB: { red: [0.64, 0.33], green: [0.3, 0.6], blue: [0.15, 0.06], white: D65, curve: SRGB_CURVE },
  WideGamutRGB: {
    red: [0.7347, 0.2653],
    green: [0.1152, 0.8264],
    blue: [0.1566, 0.0177],
    white: D50,
    curve: GAMMA_22,
  },
};

const GRAY_CURVES: Readonly<Record<string, ToneCurve>> = {
  sGray: SRGB_CURVE,
  GrayGamma22: GAMMA_22,
  GrayGamma18: GAMMA_18,
};

const COPYRIGHT = 'No copyright, use freely';

/** The Bradford cone responses (ICC.1:2022, annex E). */
const BRADFORD: Matrix = [
  [0.8951, 0.2664, -0.1614],
  [-0.7502, 1.7135, 0.0367],
  [0.0389, -0.0685, 1.0296],
];

const PCS_WHITE = mapXyz(PCS_WHITE_FIXED, (value) => value / 65536);

const made = new Map<string, Uint8Array>();

/**
 * The profile of that name (identifier, common name or file name), the same bytes and the same object every time; they
 * are shared: do not change them. Throws `INVALID_OPTION` for a name that is not of a generated profile.
 */
export function generatedProfile(name: string): Uint8Array {
  const named = lookupNamed(name);
  if (named === null || !named.isGenerated) {
    throw new PyramidionError('INVALID_OPTION', `'${name}' is not the name of a generated profile`, { value: name });
  }
  const bytes = made.get(named.identifier) ?? makeProfile(named);
  made.set(named.identifier, bytes);
  return bytes;
}

/** The profile of sRGB, for results of which we know that they are sRGB. Shared bytes: do not change them. */
export function srgbProfile(): Uint8Array {
  return generatedProfile('sRGB');
}

function makeProfile({ identifier, commonName }: NamedProfile): Uint8Array {
  const text = { description: commonName, copyright: COPYRIGHT };
  const space = RGB_SPACES[identifier];
  if (space !== undefined) {
    const white = xyzOf(space.white);
    return writeRgbProfile({ ...text, colorants: colorantsOf(space), white, curve: space.curve });
  }
  const curve = GRAY_CURVES[identifier];
  if (curve !== undefined) return writeGrayProfile({ ...text, white: PCS_WHITE, curve });
  throw new PyramidionError('INTERNAL', `there are no figures for the profile ${identifier}`);
}

/** Colorants in D50, rounded so that they add up to the PCS white to the last bit: neutral grays stay neutral. */
function colorantsOf(space: RgbSpace): { red: Xyz; green: Xyz; blue: Xyz } {
  const white = xyzOf(space.white);
  const primaries = transpose([xyzOf(space.red), xyzOf(space.green), xyzOf(space.blue)]);
  const scale = apply(invert(primaries), white);
  const adaptation = adapt(white, PCS_WHITE);
  const columns = multiply(
    adaptation,
    mapRows(primaries, (row) => [row[0] * scale[0], row[1] * scale[1], row[2] * scale[2]]),
  );
  const fixed = columns.map((row, index) => {
    const values = row.map(toFixed);
    const largest = values.indexOf(Math.max(...values));
    const rest = (PCS_WHITE_FIXED[index] ?? 0) - values.reduce((sum, value) => sum + value, 0);
    return values.map((value, column) => (value + (column === largest ? rest : 0)) / 65536);
  });
  const column = (index: number): Xyz => [fixed[0]?.[index] ?? 0, fixed[1]?.[index] ?? 0, fixed[2]?.[index] ?? 0];
  return { red: column(0), green: column(1), blue: column(2) };
}

/** The linear Bradford transform that takes one white to another. */
function adapt(from: Xyz, to: Xyz): Matrix {
  const [source, target] = [apply(BRADFORD, from), apply(BRADFORD, to)];
  const gains: Matrix = [
    [target[0] / source[0], 0, 0],
    [0, target[1] / source[1], 0],
    [0, 0, target[2] / source[2]],
  ];
  return multiply(invert(BRADFORD), multiply(gains, BRADFORD));
}

function xyzOf([x, y]: Chromaticity): Xyz {
  return [x / y, 1, (1 - x - y) / y];
}

function apply(matrix: Matrix, [x, y, z]: Xyz): Xyz {
  return mapXyz(matrix, (row) => row[0] * x + row[1] * y + row[2] * z);
}

function multiply(a: Matrix, b: Matrix): Matrix {
  return transpose(mapRows(transpose(b), (column) => apply(a, column)));
}

function transpose([a, b, c]: Matrix): Matrix {
  return [
    [a[0], b[0], c[0]],
    [a[1], b[1], c[1]],
    [a[2], b[2], c[2]],
  ];
}

function invert([a, b, c]: Matrix): Matrix {
  const columns: Matrix = [cross(b, c), cross(c, a), cross(a, b)];
  const determinant = a[0] * columns[0][0] + a[1] * columns[0][1] + a[2] * columns[0][2];
  return transpose(mapRows(columns, (row) => mapXyz(row, (value) => value / determinant)));
}

function cross(a: Xyz, b: Xyz): Xyz {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
}

function mapRows(rows: Matrix, to: (row: Xyz) => Xyz): Matrix {
  return [to(rows[0]), to(rows[1]), to(rows[2])];
}

function mapXyz<T>(values: readonly [T, T, T], to: (value: T) => number): Xyz {
  return [to(values[0]), to(values[1]), to(values[2])];
}
