/** A request as a caller of the library writes it, in part and unchecked → a request. Pure. */
import type { UnsharpMask } from '../native/contract.js';
import {
  type CropRequest,
  defaultRequest,
  type ExtendRequest,
  type Flip,
  type IccRequest,
  type ImageRequest,
  invalidRequest,
  type LayerRequest,
  type LayerScale,
  type OutputRequest,
  type QuantizeRequest,
  type RequestColour,
  type RequestRect,
  refusedRequest,
  type SharpenRequest,
  type ThumbnailRequest,
  type ViewRequest,
} from './request.js';

/**
 * Completes a request: what is left out, or undefined, is as in {@link defaultRequest}, at any depth. Throws
 * `INVALID_REQUEST` with the field's name (`view.wid`), its value and what it may be; nothing else.
 */
export function completeRequest(given: unknown): ImageRequest {
  const request = REQUEST.read('', given, defaultRequest);
  if (request === REFUSED) throw invalidRequest('request', given, 'a query, or an object');
  return request;
}

const REFUSED = Symbol('refused');

/** A part of a request: what it may be, in words, and how it is read. `base` is what holds where nothing is given. */
interface Part<T> {
  readonly allowed: string;
  read(name: string, value: unknown, base: T | undefined): T | typeof REFUSED;
}

type Fields<T> = { readonly [Name in keyof T]-?: Part<T[Name]> };

/** No number of a request is larger. */
const LARGEST = 2147483648;

function value<T>(allowed: string, fits: (value: unknown) => boolean): Part<T> {
  // What fits is of type T: that is for the lines below to say.
  return { allowed, read: (_, given) => (fits(given) ? (given as T) : REFUSED) };
}

function isWithin(given: unknown, low: number, high: number): given is number {
  return typeof given === 'number' && given >= low && given <= high;
}

function real(low = -LARGEST, high = LARGEST): Part<number> {
  return value(`a number${range(low, high)}`, (given) => isWithin(given, low, high));
}

function whole(low = -LARGEST, high = LARGEST): Part<number> {
  return value(`a whole number${range(low, high)}`, (given) => isWithin(given, low, high) && Number.isInteger(given));
}

function range(low: number, high: number): string {
  return `${low > -LARGEST ? ` from ${low}` : ''}${high < LARGEST ? ` to ${high}` : ''}`;
}

function oneOf<const T extends string | number>(...all: readonly T[]): Part<T> {
  return value(`one of ${all.join(', ')}`, (given) => all.some((one) => one === given));
}

function orNull<T>({ allowed, read }: Part<T>): Part<T | null> {
  return {
    allowed: `${allowed}, or null`,
    read: (name, given, base) => (given === null ? null : read(name, given, base ?? undefined)),
  };
}

/** A list of numbers; a copy of it is taken. */
function list(allowed: string, isLength: (length: number) => boolean, item: Part<number>): Part<readonly number[]> {
  return {
    allowed,
    read: (name, given) => {
      if (!Array.isArray(given) || !isLength(given.length)) return REFUSED;
      const items = Array.from<unknown, number | typeof REFUSED>(given, (one) => item.read(name, one, undefined));
      return items.every((one) => one !== REFUSED) ? items : REFUSED;
    },
  };
}

function object<T extends object>(fields: Fields<T>): Part<T> {
  const names = Object.keys(fields) as (keyof T & string)[];
  return {
    allowed: `an object of ${names.join(', ')}`,
    read: (name, given, base) => {
      if (!isRecord(given)) return REFUSED;
      const path = (field: string): string => (name === '' ? field : `${name}.${field}`);
      for (const field of Object.keys(given))
        if (!Object.hasOwn(fields, field)) throw refusedRequest(path(field), given[field], 'is no part of a request');
      const complete: Partial<T> = {};
      for (const field of names) {
        const item = given[field] === undefined ? base?.[field] : given[field];
        const read = fields[field].read(path(field), item, base?.[field]);
        if (read === REFUSED) throw invalidRequest(path(field), item, fields[field].allowed);
        complete[field] = read;
      }
      // Every field of T has been read.
      return complete as T;
    },
  };
}

/** An object whose fields depend on the word in one of them. */
function choice<T extends object>(tag: keyof T & string, kinds: Readonly<Record<string, Part<T>>>): Part<T> {
  const words = Object.keys(kinds).join(', ');
  return {
    allowed: `an object whose ${tag} is one of ${words}`,
    read: (name, given, base) => {
      if (!isRecord(given)) return REFUSED;
      const word = given[tag] === undefined ? base?.[tag] : given[tag];
      const kind = typeof word === 'string' && Object.hasOwn(kinds, word) ? kinds[word] : undefined;
      if (kind === undefined) throw invalidRequest(`${name}.${tag}`, word, `one of ${words}`);
      return kind.read(name, given, base?.[tag] === word ? base : undefined);
    },
  };
}

function isRecord(given: unknown): given is Readonly<Record<string, unknown>> {
  return typeof given === 'object' && given !== null && !Array.isArray(given);
}

const flag: Part<boolean> = value('true or false', (given) => typeof given === 'boolean');
const positive: Part<number> = value('a number above 0', (given) => isWithin(given, Number.MIN_VALUE, LARGEST));
const word: Part<string> = value('a word of lower-case letters, digits and hyphens', (given) => {
  return typeof given === 'string' && /^[a-z0-9-]{1,20}$/.test(given);
});
const text: Part<string> = value('text', (given) => typeof given === 'string');
const flip: Part<Flip> = oneOf('none', 'lr', 'ud', 'lrud');
// A list of two is a pair.
const bounds = list('two whole numbers from 0', (length) => length === 2, whole(0)) as Part<readonly [number, number]>;

function colourOf<Space extends RequestColour['space']>(space: Space, samples: number): Part<RequestColour> {
  return object<RequestColour>({
    space: oneOf(space),
    samples: list(`${samples} numbers from 0 to 1`, (length) => length === samples, real(0, 1)),
    alpha: real(0, 1),
    source: flag,
  });
}

const colour = choice<RequestColour>('space', {
  gray: colourOf('gray', 1),
  rgb: colourOf('rgb', 3),
  cmyk: colourOf('cmyk', 4),
});

function cropIn(unit: CropRequest['unit'], number: typeof real): Part<CropRequest> {
  return object<CropRequest>({ unit: oneOf(unit), x: number(), y: number(), width: number(0), height: number(0) });
}

function extendIn(unit: ExtendRequest['unit'], number: typeof real): Part<ExtendRequest> {
  return object<ExtendRequest>({ unit: oneOf(unit), left: number(), top: number(), right: number(), bottom: number() });
}

type ScaleBy<By> = Extract<LayerScale, { by: By }>;

const scale = choice<LayerScale>('by', {
  size: object<ScaleBy<'size'>>({ by: oneOf('size'), width: whole(0), height: whole(0) }) as Part<LayerScale>,
  scale: object<ScaleBy<'scale'>>({ by: oneOf('scale'), factor: positive }) as Part<LayerScale>,
  res: object<ScaleBy<'res'>>({ by: oneOf('res'), dpi: positive }) as Part<LayerScale>,
});

const rectangle: Fields<RequestRect> = { x: whole(), y: whole(), width: whole(1), height: whole(1) };

const mask = orNull(
  object<UnsharpMask>({ amount: real(0, 5), radius: real(0, 250), threshold: real(0, 255), monochrome: flag }),
);

/** Every field there is. */
const REQUEST = object<ImageRequest>({
  layer: object<LayerRequest>({
    crop: orNull(choice<CropRequest>('unit', { pixels: cropIn('pixels', whole), parts: cropIn('parts', real) })),
    scale: orNull(scale),
    flip,
    rotate: real(),
    anchor: orNull(object({ unit: oneOf('pixels', 'parts'), x: real(), y: real() })),
    extend: orNull(
      choice<ExtendRequest>('unit', { pixels: extendIn('pixels', whole), parts: extendIn('parts', real) }),
    ),
    bgColor: colour,
  }),
  flip,
  view: object<ViewRequest>({
    rgn: orNull(object(rectangle)),
    wid: orNull(whole(1)),
    hei: orNull(whole(1)),
    scl: orNull(positive),
    fit: orNull(object({ mode: oneOf('fit', 'constrain', 'crop', 'wrap', 'stretch', 'hfit', 'vfit'), upscale: flag })),
    align: object({ x: real(-1, 1), y: real(-1, 1) }),
    rect: orNull(object({ ...rectangle, scale: positive })),
    defaultPix: bounds,
    dpr: orNull(positive),
  }),
  thumbnail: orNull(
    object<ThumbnailRequest>({
      type: oneOf('crop', 'fit', 'texture'),
      horizontal: oneOf('left', 'centre', 'right'),
      vertical: oneOf('top', 'centre', 'bottom'),
      res: positive,
      defaultPix: bounds,
    }),
  ),
  bgc: colour,
  kernel: oneOf('bilin', 'bicub', 'sharp2', 'bisharp'),
  linearLight: flag,
  sharpen: object<SharpenRequest>({ simple: flag, usm: mask, usmR: mask }),
  output: object<OutputRequest>({
    format: word,
    pixelType: orNull(word),
    compression: orNull(word),
    bits: oneOf(8, 16),
    quality: orNull(whole(1, 100)),
    fullChroma: flag,
    jpegSize: real(0),
    pscan: oneOf<OutputRequest['pscan']>('auto', 3, 4, 5),
    quantize: object<QuantizeRequest>({
      kind: oneOf('adaptive', 'web', 'mac'),
      diffuse: flag,
      colours: orNull(whole(2, 256)),
      forced: list('red, green and blue of up to 256 colours, 0 to 255 each', isTriples, whole(0, 255)),
    }),
    xmpEmbed: flag,
    iccEmbed: flag,
    icc: orNull(
      object<IccRequest>({
        profile: text,
        intent: orNull(oneOf('perceptual', 'relative', 'saturation', 'absolute')),
        blackPointCompensation: orNull(flag),
        dither: orNull(flag),
      }),
    ),
    printRes: orNull(positive),
  }),
});

function isTriples(length: number): boolean {
  return length % 3 === 0 && length <= 3 * 256;
}
