/** From the query of a URL to what it asks for: the single-image core of the protocol. */
import { defaultRequest, type ImageRequest, type LayerScale, refusedRequest } from '../../region/request.js';
import { checkTogether } from '../../region/view.js';
import { type CacheControl, COMMANDS, commandName, type Given, type RequestType, type Segment } from './commands.js';
import { peekCommand, readQuery } from './query.js';
import { defaultSettings, type RequestSettings } from './settings.js';
import { Value } from './values.js';

const NONE: ReadonlyMap<string, string> = new Map();

/** Requests about the object itself: of a picture's commands none is looked at, so that none that we do not have is in the way. */
const ABOUT_OBJECT = /^\s*(?:exists|imageprops|userdata|targets|imageset|catalogprops|ctx|xmp)\s*(?:,|$)/i;
const OF_ANY_REQUEST = new Set(['req', 'id', 'handler', 'cache']);

/** What a query may refer to beyond the settings. */
export interface ModifierContext {
  /** Name to definition: see `QueryContext` in `query.ts`. */
  readonly macros?: ReadonlyMap<string, string>;
  /** Variables that are defined before the query begins, `object` among them. */
  readonly variables?: ReadonlyMap<string, string>;
}

/** A command as it was understood. */
export interface ResolvedCommand {
  /** In lower case, second names replaced by first ones. */
  readonly name: string;
  /** Decoded, variables in place. */
  readonly value: string;
  readonly segment: Segment;
}

/** What a query says. */
export interface Modifiers {
  readonly request: ImageRequest;
  /** What was said, in order: macros replaced, comments, definitions, `layer=` and what is not known left out. */
  readonly commands: readonly ResolvedCommand[];
  /** What is to be answered, and the words that follow it (`json`, `UTF-8` …), as written. */
  readonly req: { readonly type: RequestType; readonly options: readonly string[] };
  readonly delivery: Delivery;
  /** Commands for other kinds of request, by their names in lower case. */
  readonly texts: ReadonlyMap<string, string>;
  /** Names (lower case) of the commands that were given and are known. */
  readonly given: ReadonlySet<string>;
  /** Names of commands that are not known, as written. */
  readonly ignored: readonly string[];
  /** Variables as they stand at the end, names in lower case. */
  readonly variables: ReadonlyMap<string, string>;
}

/** What concerns the way of a reply and not its pixels. */
export interface Delivery {
  readonly cache: CacheControl;
  /** null: not given. '' : none. */
  readonly defaultImage: string | null;
  readonly id: string;
  readonly bfc: boolean | null;
  readonly network: boolean;
  /** Function a JSONP reply calls. */
  readonly handler: string;
}

/**
 * Reads a raw query (what follows `?`, not decoded). Of several commands of one name the last counts; unknown ones are
 * ignored, and those of pictures too where `req=` is about the object itself. Of several texts (a record's modifier, the URL's, the record's post-modifier) each later one overrides those
 * before it, and sees their macros, variables and names of layers; each begins outside of any layer. Throws
 * `INVALID_REQUEST` with the command's name, value and what it may be, and `LIMIT_EXCEEDED` (`maxQueryLength`,
 * `maxCommands`); nothing else.
 */
export function parseModifiers(
  query: string | readonly string[],
  settings: RequestSettings = defaultSettings,
  context: ModifierContext = {},
): Modifiers {
  const requests = [query].flat().map((text) => peekCommand(text, 'req'));
  const isAboutObject = ABOUT_OBJECT.test(requests.findLast((request) => request !== null) ?? '');
  const { commands, ignored, variables } = readQuery(query, {
    macros: context.macros ?? NONE,
    variables: context.variables ?? NONE,
    isKnown: (name) => (isAboutObject ? OF_ANY_REQUEST.has(name) : name === 'layer' || COMMANDS.has(commandName(name))),
    maxLength: settings.maxQueryLength,
  });
  const texts = new Map<string, string>();
  const names = new Set<string>();
  const layers = new Map<string, Segment>();
  const resolved: ResolvedCommand[] = [];
  const given: Partial<Given> = {};
  let segment: Segment = 'comp';
  let source = 0;
  for (const command of commands) {
    const name = commandName(command.name);
    const value = new Value(name, command.value);
    names.add(name);
    if (command.source !== source) segment = 'comp';
    source = command.source;
    if (name === 'layer') {
      segment = openLayer(value, layers);
      continue;
    }
    const row = COMMANDS.get(name);
    if (row === undefined) continue;
    if (row.scope === 'final' && segment === 'layer') value.refuse('is not supported on a layer');
    if (row.scope === 'text') texts.set(name, command.value);
    Object.assign(given, row.read(value, segment));
    resolved.push({ name, value: command.value, segment });
  }
  const request = requestOf(given, settings);
  checkTogether(request);
  checkQuantize(request);
  return {
    request,
    commands: resolved,
    req: given.req ?? { type: 'img', options: [] },
    delivery: {
      cache: given.cache ?? { client: true, server: 'on' },
      defaultImage: given.defaultImage ?? null,
      id: given.id ?? '',
      bfc: given.bfc ?? null,
      network: given.network ?? false,
      handler: given.handler ?? 's7jsonResponse',
    },
    texts,
    given: names,
    ignored,
    variables,
  };
}

/** What {@link parseModifiers} reads for an object that has commands of its own before and after those of the URL. */
export function joinModifiers(before: string, query: string, after: string): readonly string[] {
  return [before, query, after].filter((text) => text !== '');
}

/** The segment that `layer=` opens. A name stands for the number it was given with. */
function openLayer(value: Value, layers: Map<string, Segment>): Segment {
  const expected = 'a number, comp, or a name that was given to one of them, and a name if need be';
  value.count(1, 2, expected);
  const target = value.item(0) ?? value.invalid(expected);
  const isNumber = /^\d+$/.test(target);
  if (isNumber && Number(target) !== 0) value.refuse(`is not supported above layer 0; got ${target.slice(0, 60)}`);
  const isNamed = !isNumber && target.toLowerCase() !== 'comp';
  const segment = isNumber ? 'layer' : isNamed ? layers.get(target) : 'comp';
  if (segment === undefined || (isNamed && value.items.length > 1)) return value.invalid(expected);
  const name = value.item(1);
  if (name === undefined) return segment;
  if (name.toLowerCase() === 'comp' || /^\d+$/.test(name)) value.invalid('a name that is neither comp nor a number');
  if ((layers.get(name) ?? segment) !== segment) value.refuse(`gives the name ${name.slice(0, 60)} twice`);
  layers.set(name, segment);
  return segment;
}

function requestOf(given: Partial<Given>, settings: RequestSettings): ImageRequest {
  const { layer, view, output, sharpen } = defaultRequest;
  const isThumbnail = given.req?.type === 'tmb';
  return {
    layer: {
      crop: given.crop ?? layer.crop,
      scale: layerScale(given),
      flip: given.layerFlip ?? layer.flip,
      rotate: given.rotate ?? layer.rotate,
      anchor: given.anchor ?? layer.anchor,
      extend: given.extend ?? layer.extend,
      bgColor: given.bgColor ?? layer.bgColor,
    },
    flip: given.flip ?? defaultRequest.flip,
    view: {
      rgn: given.rgn ?? view.rgn,
      wid: given.wid ?? view.wid,
      hei: given.hei ?? view.hei,
      scl: given.scl ?? view.scl,
      fit: given.fit ?? view.fit,
      align: given.align ?? view.align,
      rect: given.rect ?? view.rect,
      defaultPix: settings.defaultPix,
      dpr: given.dpr ?? view.dpr,
    },
    thumbnail: isThumbnail
      ? {
          type: settings.thumbType,
          horizontal: settings.thumbHorizAlign,
          vertical: settings.thumbVertAlign,
          res: settings.thumbRes,
          defaultPix: settings.defaultThumbPix,
        }
      : null,
    bgc: given.bgc ?? (isThumbnail ? settings.thumbBkgColor : settings.bkgColor),
    kernel: given.kernel ?? settings.resMode,
    linearLight: settings.linearLight,
    sharpen: {
      simple: given.sharpen ?? sharpen.simple,
      usm: given.usm ?? sharpen.usm,
      usmR: given.usmR ?? sharpen.usmR,
    },
    output: {
      ...output,
      ...given.format,
      ...given.quality,
      jpegSize: given.jpegSize ?? output.jpegSize,
      pscan: given.pscan ?? output.pscan,
      quantize: given.quantize ?? output.quantize,
      xmpEmbed: given.xmpEmbed ?? output.xmpEmbed,
      iccEmbed: given.iccEmbed ?? output.iccEmbed,
      icc: given.icc ?? output.icc,
      printRes: given.printRes ?? output.printRes,
    },
  };
}

/** `size` overrides `scale`, which overrides `res`; a size of 0,0 is none. */
function layerScale({ size, scale, res }: Partial<Given>): LayerScale | null {
  if (size !== undefined && (size.width > 0 || size.height > 0)) return { by: 'size', ...size };
  if (scale !== undefined) return { by: 'scale', factor: scale };
  return res === undefined ? null : { by: 'res', dpi: res };
}

/** What a palette with a transparent colour rules out. */
function checkQuantize({ output }: ImageRequest): void {
  const { format, quantize } = output;
  if (format !== 'gif-alpha' && format !== 'png8-alpha') return;
  if (quantize.kind === 'mac') throw refusedRequest('quantize', 'mac', `does not go with ${format}`);
  if (quantize.forced.length / 3 > 255) throw refusedRequest('quantize', format, 'leaves no colour for alpha');
}
