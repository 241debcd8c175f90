/** Every command of the protocol's single-image core (§7): one row each, in alphabetical order. */

import type { Kernel, UnsharpMask } from '../../native/contract.js';
import {
  type AnchorRequest,
  type CropRequest,
  defaultRequest,
  type ExtendRequest,
  type FitMode,
  type Flip,
  type IccRequest,
  type OutputRequest,
  type QuantizeRequest,
  type RequestColour,
  type RequestRect,
  type SharpenRequest,
  type ViewRequest,
} from '../../region/request.js';
import { readColour } from './colour.js';
import { LARGEST, type Value } from './values.js';

/** What is asked for (§9). */
export const REQUEST_TYPES = [
  'img',
  'tmb',
  'mask',
  'props',
  'imageprops',
  'exists',
  'userdata',
  'catalogprops',
  'ctx',
  'xmp',
  'loadcache',
  'resolve',
  'validate',
  'message',
  'saveToFile',
  'map',
  'targets',
  'imageset',
  'set',
  'mbrSet',
  'xlate',
] as const;

/** One of {@link REQUEST_TYPES}. */
export type RequestType = (typeof REQUEST_TYPES)[number];

/** What caches are to do. `server`: `validate` looks at the files' dates now, `update` makes the entry anew. */
export interface CacheControl {
  readonly client: boolean;
  readonly server: 'on' | 'off' | 'validate' | 'update';
}

/** What commands set, one field for each thing that the last command to set it decides. */
export interface Given {
  readonly align: ViewRequest['align'];
  readonly anchor: AnchorRequest;
  readonly bfc: boolean;
  readonly bgc: RequestColour;
  readonly bgColor: RequestColour;
  readonly cache: CacheControl;
  readonly crop: CropRequest;
  readonly defaultImage: string;
  readonly dpr: number | null;
  readonly extend: ExtendRequest;
  readonly fit: { readonly mode: FitMode; readonly upscale: boolean };
  readonly flip: Flip;
  readonly format: Pick<OutputRequest, 'format' | 'pixelType' | 'compression'>;
  readonly handler: string;
  readonly hei: number;
  readonly icc: IccRequest;
  readonly iccEmbed: boolean;
  readonly id: string;
  readonly jpegSize: number;
  readonly kernel: Kernel;
  readonly layerFlip: Flip;
  readonly network: boolean;
  readonly printRes: number;
  readonly pscan: OutputRequest['pscan'];
  readonly quality: Pick<OutputRequest, 'quality' | 'fullChroma'>;
  readonly quantize: QuantizeRequest;
  readonly rect: ViewRequest['rect'];
  readonly req: { readonly type: RequestType; readonly options: readonly string[] };
  readonly res: number;
  readonly rgn: RequestRect;
  readonly rotate: number;
  readonly scale: number;
  readonly scl: number;
  readonly sharpen: SharpenRequest['simple'];
  readonly size: { readonly width: number; readonly height: number };
  readonly usm: UnsharpMask;
  readonly usmR: UnsharpMask;
  readonly wid: number;
  readonly xmpEmbed: boolean;
}

/** What commands refer to: the composite, or layer 0. */
export type Segment = 'comp' | 'layer';

/** Where a command may stand, and what it then belongs to. */
export type Scope =
  /** The request or the view: anywhere. */
  | 'request'
  /** Layer 0; in comp scope it is brought there. */
  | 'layer'
  /** The composite in comp scope, layer 0 in its own. */
  | 'either'
  /** The final view; comp scope only. */
  | 'final'
  /** Kept as text for whoever answers other kinds of request; the picture does not depend on it. */
  | 'text'
  /** A command we know and do not have. */
  | 'missing';

/** One command. */
export interface CommandRow {
  readonly scope: Scope;
  /** What a value sets. Throws `INVALID_REQUEST`. */
  readonly read: (value: Value, segment: Segment) => Partial<Given>;
}

const FOUR_WHOLE = 'four whole numbers x,y,w,h';

const ROWS = {
  align: row('request', (value) => ({ align: pair(value, -1, 1, 'h,v from −1 to 1') })),
  anchor: row('layer', (value) => ({ anchor: { unit: 'pixels', ...wholePair(value) } })),
  anchorn: row('layer', (value) => ({ anchor: { unit: 'parts', ...pair(value, -LARGEST, LARGEST, 'two numbers') } })),
  bfc: row('request', (value) => ({ bfc: onOff(value) })),
  bgc: row('request', (value) => ({ bgc: { ...readColour(value), alpha: 1, source: false } })),
  bgcolor: row('layer', (value) => ({ bgColor: readColour(value) })),
  cache: row('request', (value) => ({ cache: readCache(value) })),
  crop: row('layer', (value) => ({ crop: { unit: 'pixels', ...wholeRect(value, 0) } })),
  cropn: row('layer', (value) => ({ crop: { unit: 'parts', ...realRect(value) } })),
  defaultimage: row('request', (value) => ({ defaultImage: value.text })),
  dpr: row('request', (value) => ({ dpr: readDpr(value) })),
  extend: row('layer', (value) => ({ extend: { unit: 'pixels', ...margins(value, 'four whole numbers l,t,r,b') } })),
  extendn: row('layer', (value) => ({ extend: { unit: 'parts', ...margins(value, null) } })),
  fit: row('request', (value) => ({ fit: readFit(value) })),
  flip: row('either', (value, segment) => {
    const flip = value.count(1, 1, 'lr, ud or lrud').word(0, ['lr', 'ud', 'lrud'] as const);
    return segment === 'comp' ? { flip } : { layerFlip: flip };
  }),
  fmt: row('request', (value) => ({ format: readFormat(value) })),
  handler: row('request', (value) =>
    /^[a-z0-9]+$/i.test(value.text) ? { handler: value.text } : value.invalid('letters and digits'),
  ),
  hei: row('request', (value) => ({ hei: side(value) })),
  icc: row('request', (value) => ({ icc: readIcc(value) })),
  iccembed: row('request', (value) => ({ iccEmbed: value.flag(0) })),
  id: row('request', (value) => ({ id: value.text })),
  jpegsize: row('request', (value) => ({
    jpegSize: value.count(1, 1, 'kilobytes').real(0, 0, LARGEST, 'kilobytes from 0'),
  })),
  network: row('request', (value) => ({ network: onOff(value) })),
  op_sharpen: row('final', (value) => ({ sharpen: value.flag(0) })),
  op_usm: row('final', (value) => ({ usm: readMask(value) })),
  op_usmr: row('final', (value) => ({ usmR: readMask(value) })),
  printres: row('request', (value) => ({ printRes: single(value, 'pixels per inch above 0') })),
  pscan: row('request', (value) => ({ pscan: readScans(value) })),
  qlt: row('request', (value) => ({ quality: readQuality(value) })),
  quantize: row('request', (value) => ({ quantize: readQuantize(value) })),
  rect: row('request', (value) => ({ rect: readRect(value) })),
  req: row('request', (value) => ({
    req: { type: value.word(0, REQUEST_TYPES), options: value.items.slice(1).filter((item) => item !== '') },
  })),
  res: row('layer', (value) => ({ res: single(value, 'pixels per inch above 0') })),
  resmode: row('request', (value) => {
    const word = value.word(0, ['bilin', 'bicub', 'sharp2', 'bisharp', 'sharp'] as const);
    return { kernel: word === 'sharp' ? 'sharp2' : word };
  }),
  rgn: row('request', (value) => ({ rgn: wholeRect(value, 1) })),
  rotate: row('layer', (value) => ({ rotate: value.count(1, 1, 'degrees').real(0, -LARGEST, LARGEST, 'degrees') })),
  scale: row('layer', (value) => ({ scale: single(value, 'a number above 0') })),
  scl: row('request', (value) => ({ scl: single(value, 'a number above 0') })),
  size: row('layer', (value) => {
    const { x, y } = pair(value, 0, LARGEST, 'w,h from 0');
    return Number.isInteger(x) && Number.isInteger(y)
      ? { size: { width: x, height: y } }
      : value.invalid('whole pixels');
  }),
  sizen: row('layer', (value) => value.refuse('is not allowed on layer 0 and comp')),
  wid: row('request', (value) => ({ wid: side(value) })),
  xmpembed: row('request', (value) => ({ xmpEmbed: value.flag(0) })),
} satisfies Record<string, CommandRow>;

/** Other kinds of request use these. */
const TEXT = 'effectMask imageSet labelkey locale map mapA message name pathEmbed timeout type';

/** Layers, masks, effects, templates, text and the operations on single layers. */
const MISSING =
  'blendMode clipPath clipPathE clipXPath clipXPathE color cropPathE effect hide mask maskUse ' +
  'op_blur op_brightness op_colorbalance op_colorize op_contrast op_grow op_growMask op_growMaskR op_hue op_invert ' +
  'op_noise op_saturation opac origin originN pathAttr perspective perspectiveN pos posN src template text textPs ' +
  'textAngle textAttr textFlowPath textFlowXPath textPath';

/** Names that are the same as others. */
const ALIASES = new Map([
  ['colorize', 'op_colorize'],
  ['sharpen', 'op_sharpen'],
]);

/** All commands by their names in lower case. `layer`, which opens a segment, is none of them. */
export const COMMANDS: ReadonlyMap<string, CommandRow> = new Map([
  ...Object.entries<CommandRow>(ROWS),
  ...names(TEXT).map((name) => [name, row('text', () => ({}))] as const),
  ...names(MISSING).map((name) => [name, row('missing', (value) => value.refuse('is not supported'))] as const),
]);

/** The name a command is known by. `name` is in lower case. */
export function commandName(name: string): string {
  return ALIASES.get(name) ?? name;
}

function names(list: string): string[] {
  return list.split(' ').map((name) => name.toLowerCase());
}

function row(scope: Scope, read: CommandRow['read']): CommandRow {
  return { scope, read };
}

function side(value: Value): number {
  return value.count(1, 1, 'a whole number above 0').whole(0, 1, LARGEST, 'a whole number above 0');
}

function single(value: Value, expected: string): number {
  return value.count(1, 1, expected).above(0, 0, expected);
}

function onOff(value: Value): boolean {
  return value.count(1, 1, 'on or off').word(0, ['on', 'off'] as const) === 'on';
}

function pair(value: Value, low: number, high: number, expected: string): { x: number; y: number } {
  value.count(2, 2, expected);
  return { x: value.real(0, low, high, expected), y: value.real(1, low, high, expected) };
}

function wholePair(value: Value): { x: number; y: number } {
  const expected = 'two whole numbers x,y';
  value.count(2, 2, expected);
  return { x: value.whole(0, -LARGEST, LARGEST, expected), y: value.whole(1, -LARGEST, LARGEST, expected) };
}

function wholeRect(value: Value, least: number): RequestRect {
  const expected = `${FOUR_WHOLE} with sides from ${least}`;
  value.count(4, 4, expected);
  return {
    x: value.whole(0, -LARGEST, LARGEST, expected),
    y: value.whole(1, -LARGEST, LARGEST, expected),
    width: value.whole(2, least, LARGEST, expected),
    height: value.whole(3, least, LARGEST, expected),
  };
}

function realRect(value: Value): RequestRect {
  const expected = 'four numbers x,y,w,h with sides from 0';
  value.count(4, 4, expected);
  return {
    x: value.real(0, -LARGEST, LARGEST, expected),
    y: value.real(1, -LARGEST, LARGEST, expected),
    width: value.real(2, 0, LARGEST, expected),
    height: value.real(3, 0, LARGEST, expected),
  };
}

/** Margins; of whole pixels where `expectedWhole` says so. */
function margins(value: Value, expectedWhole: string | null): Omit<ExtendRequest, 'unit'> {
  const expected = expectedWhole ?? 'four numbers l,t,r,b';
  value.count(4, 4, expected);
  const read = (index: number): number =>
    expectedWhole === null
      ? value.real(index, -LARGEST, LARGEST, expected)
      : value.whole(index, -LARGEST, LARGEST, expected);
  return { left: read(0), top: read(1), right: read(2), bottom: read(3) };
}

function readCache(value: Value): CacheControl {
  value.count(1, 2, 'on, off, validate, update, or client,server each on or off');
  if (value.items.length === 2) {
    return {
      client: value.word(0, ['on', 'off'] as const) === 'on',
      server: value.word(1, ['on', 'off'] as const),
    };
  }
  const server = value.word(0, ['on', 'off', 'validate', 'update'] as const);
  return { client: server !== 'off', server };
}

function readDpr(value: Value): number | null {
  const expected = 'off, or on and a number above 0';
  if (value.count(1, 2, expected).word(0, ['on', 'off'] as const) === 'off') return null;
  const factor = value.above(1, 0, expected);
  return factor === 1 ? null : factor;
}

function readFit(value: Value): Given['fit'] {
  const modes = ['fit', 'constrain', 'crop', 'wrap', 'stretch', 'hfit', 'vfit'] as const;
  value.count(1, 2, 'a mode, and 0 or 1');
  return { mode: value.word(0, modes), upscale: value.flag(1, false) };
}

/** Slips of the documentation, and second names. */
const FORMAT_NAMES: Readonly<Record<string, string>> = {
  jpg: 'jpeg',
  'web-alpha': 'webp-alpha',
  'swf-alpha3': 'swf3-alpha',
};

function readFormat(value: Value): Given['format'] {
  const expected = 'a format, a pixel type and a compression';
  value.count(1, 3, expected);
  const words = [0, 1, 2].map((index) => value.item(index)?.toLowerCase() ?? null);
  if (words.some((word) => word !== null && !/^[a-z0-9-]{1,20}$/.test(word))) value.invalid(expected);
  const [format = null, pixelType = null, compression = null] = words;
  if (format === null) return value.invalid(expected);
  const known = Object.hasOwn(FORMAT_NAMES, format) ? FORMAT_NAMES[format] : undefined;
  return { format: known ?? format, pixelType, compression };
}

function readIcc(value: Value): IccRequest {
  const expected = 'a profile, and if need be intent, black-point compensation and dither';
  value.count(1, 4, expected);
  const profile = value.item(0) ?? value.invalid(expected);
  const intents = ['perceptual', 'relative', 'saturation', 'absolute'] as const;
  return {
    profile,
    intent: value.item(1) === undefined ? null : value.word(1, intents),
    blackPointCompensation: value.item(2) === undefined ? null : value.flag(2),
    dither: value.item(3) === undefined ? null : value.flag(3),
  };
}

function readMask(value: Value): UnsharpMask {
  value.count(1, 4, 'amount, radius, threshold, mono');
  const or0 = (index: number, high: number, expected: string): number =>
    value.item(index) === undefined ? 0 : value.real(index, 0, high, expected);
  return {
    amount: value.real(0, 0, 5, 'an amount from 0 to 5'),
    radius: or0(1, 250, 'a radius from 0 to 250'),
    threshold: or0(2, 255, 'a threshold from 0 to 255'),
    monochrome: value.flag(3, false),
  };
}

function readScans(value: Value): OutputRequest['pscan'] {
  const word = value.count(1, 1, 'auto, 3, 4 or 5').word(0, ['auto', '3', '4', '5'] as const);
  return ({ auto: 'auto', '3': 3, '4': 4, '5': 5 } as const)[word];
}

function readQuality(value: Value): Given['quality'] {
  value.count(1, 2, '1 to 100, and 0 or 1');
  return { quality: value.whole(0, 1, 100, 'a whole number from 1 to 100'), fullChroma: value.flag(1, false) };
}

function readQuantize(value: Value): QuantizeRequest {
  const { quantize } = defaultRequest.output;
  const colours = value.item(2) === undefined ? quantize.colours : value.whole(2, 2, 256, '2 to 256 colours');
  const list = value.items.slice(3);
  if (list.length > (colours ?? 256)) value.invalid(`a list of at most ${colours} colours`);
  const forced = list.map((item) => /^(?:0x)?([0-9a-f]{6})$/i.exec(item)?.[1] ?? value.invalid('colours as RRGGBB'));
  return {
    kind: value.word(0, ['adaptive', 'web', 'mac'] as const),
    diffuse: value.word(1, ['diffuse', 'off'] as const, 'diffuse') === 'diffuse',
    colours,
    forced: [...Buffer.from(forced.join(''), 'hex')],
  };
}

function readRect(value: Value): ViewRequest['rect'] {
  const expected = `${FOUR_WHOLE} with sides from 1, and a scale above 0`;
  value.count(4, 5, expected);
  return {
    x: value.whole(0, -LARGEST, LARGEST, expected),
    y: value.whole(1, -LARGEST, LARGEST, expected),
    width: value.whole(2, 1, LARGEST, expected),
    height: value.whole(3, 1, LARGEST, expected),
    scale: value.item(4) === undefined ? 1 : value.above(4, 0, expected),
  };
}
