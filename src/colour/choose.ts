/** Which profiles, intent and options a reply is converted with (colour-management §1). Pure. */
import { PyramidionError } from '../errors.js';
import type { IccRequest } from '../region/request.js';
import { isEquivalentProfile } from './equivalent.js';
import type { PixelSpace } from './named.js';
import { INTENTS, type Intent, isSameProfile, type Profile, parseProfile } from './parse.js';
import type { KnownProfile } from './registry.js';

/** Where a chosen profile was found, in the order of precedence of inputs, then of outputs. */
export type ChosenFrom = 'embedded' | 'record' | 'source default' | 'output default' | 'icc' | 'first layer';

/** A profile, and why it is the one. */
export interface ChosenProfile {
  readonly profile: Profile;
  /** What to tell of it (`image.iccProfile`). */
  readonly label: string;
  readonly from: ChosenFrom;
}

/** The profiles a catalog has for each pixel type, after inheritance. Absent: none. */
export type SpaceProfiles = Readonly<Partial<Record<PixelSpace, KnownProfile>>>;

/** The colour defaults of a catalog. */
export interface ColourDefaults {
  /** `IccProfile<Type>`: for replies, and for sources without a profile of their own. */
  readonly output: SpaceProfiles;
  /** `IccProfileSrc<Type>`: for sources, before those. */
  readonly source: SpaceProfiles;
}

/** The options a catalog has for conversions; what is absent is relative, with black point compensation, without dither. */
export interface ColourOptions {
  readonly intent?: Intent;
  readonly blackPointCompensation?: boolean;
  readonly dither?: boolean;
}

/** An image that is a layer of a reply. */
export interface LayerColour {
  /** Pixel type as stored. */
  readonly space: PixelSpace;
  /** The file's profile: its bytes, or as parsed before; null when it has none. */
  readonly embedded: Uint8Array | Profile | null;
  /** That of the catalog record, used only when the file has none that fits. */
  readonly record?: KnownProfile | null;
  /** Of the layer's own catalog. */
  readonly defaults: ColourDefaults;
}

/** What a reply is to be. */
export interface ColourRequest {
  /** The pixel type that `fmt` names; null when it names none. */
  readonly pixelType: PixelSpace | null;
  /** `icc=`, with its profile already found. */
  readonly icc: (Omit<IccRequest, 'profile'> & { readonly known: KnownProfile }) | null;
  /** Bits of a sample of the reply: for 16, only the same profile is the same. 16 by default. */
  readonly bits?: 8 | 16;
  /** Whether the reply is a mask (`req=mask`): its pixels are gray, and never colour-managed. */
  readonly isMask?: boolean;
  /** The layer that is converted, where it is an image: layer 0, or another one with the plan of layer 0 as `outer`. */
  readonly layer: LayerColour | null;
  /** Of the main catalog. */
  readonly defaults: ColourDefaults;
  readonly options?: ColourOptions;
  /** The plan of the outermost request, for one nested in it, or for a further layer: its output, unless there is an `icc=`. */
  readonly outer?: Pick<ColourPlan, 'space' | 'output'>;
}

/** How a layer becomes the reply's colours. Two equal plans make the same conversion. */
export interface ColourPlan {
  /** Pixel type of the reply. */
  readonly space: PixelSpace;
  /** Profile of the pixels as they are; null when nothing says what they mean. */
  readonly input: ChosenProfile | null;
  /** Profile of the reply, which `iccEmbed` embeds; null when it has none. */
  readonly output: ChosenProfile | null;
  /** `managed`: by both profiles; `naive`: by the simple formulas; `none`: the values stay as they are. */
  readonly conversion: 'managed' | 'naive' | 'none';
  /** Whether input and output are the same profile, or as good as that for 8 bits: the transform would change nothing. */
  readonly identity: boolean;
  /** The intent in force: that asked for, or the nearest that both profiles know. */
  readonly intent: Intent;
  /** Never with the absolute intent. */
  readonly blackPointCompensation: boolean;
  /** Whether the errors of rounding to 8 bits are diffused. */
  readonly dither: boolean;
  /** What was left aside, and why; in words for the log. */
  readonly warnings: readonly string[];
}

/** An intent and compensation, as they are when nobody says otherwise. */
const DEFAULTS = { intent: 'relative', blackPointCompensation: true, dither: false } as const;

/**
 * Plans the colours of a reply. Throws `PROFILE_MISMATCH` when `icc=` and the pixel type of `fmt` disagree, and
 * `PROFILE_INVALID` when the profile of `icc=` cannot produce pixels. Profiles that nobody named in the request (embedded
 * ones, defaults) are left aside with a warning instead.
 */
export function chooseColour(request: ColourRequest): ColourPlan {
  const { layer, icc, isMask = false, options = {} } = request;
  const warnings: string[] = [];
  const input = layer === null || isMask ? null : chooseInput(layer, warnings);
  const { space, output } = chooseOutput(request, input, warnings);
  const wanted = icc?.intent ?? options.intent ?? DEFAULTS.intent;
  const isExact = (request.bits ?? 16) === 16 || wanted === 'absolute';
  const isLike = isExact ? isSameProfile : isEquivalentProfile;
  const identity = input !== null && output !== null && isLike(input.profile, output.profile);
  const isManaged = input !== null && output !== null && (identity || output.profile.canWrite);
  if (input !== null && output !== null && !isManaged) {
    warnings.push(`the first layer's profile '${output.label}' is for input only: this layer is converted without it`);
  }
  const intent = isManaged ? chooseIntent(input.profile, output.profile, wanted) : wanted;
  const compensates = icc?.blackPointCompensation ?? options.blackPointCompensation ?? DEFAULTS.blackPointCompensation;
  return {
    space,
    input,
    output,
    conversion: conversionOf({ layer, isMask, isManaged, identity, space }),
    identity,
    intent,
    blackPointCompensation: compensates && intent !== 'absolute',
    dither: icc?.dither ?? options.dither ?? DEFAULTS.dither,
    warnings,
  };
}

/**
 * The profile of a layer's pixels: embedded, the record's, the source default, the output default of its catalog; null when
 * there is none. Each has to describe such pixels and to lead to colours, else `warnings` says that it is left aside.
 */
export function chooseInput(layer: LayerColour, warnings: string[]): ChosenProfile | null {
  const { space, defaults } = layer;
  const embedded = embeddedProfile(layer, warnings);
  if (embedded !== null) return embedded;
  const candidates: readonly (readonly [KnownProfile | null | undefined, ChosenFrom, string])[] = [
    [layer.record, 'record', "the record's profile"],
    [defaults.source[space], 'source default', `the source default for ${NAMES[space]}`],
    [defaults.output[space], 'output default', `the default for ${NAMES[space]}`],
  ];
  for (const [known, from, what] of candidates) {
    if (!known) continue;
    const fault = faultOf(known.profile, space, 'input');
    if (fault === null) return { profile: known.profile, label: known.label, from };
    warnings.push(`${what}, '${known.label}', is not used for the source: ${fault}`);
  }
  return null;
}

/**
 * The intent that a conversion really has: `wanted` when both profiles know it, else the output's own, else the input's own,
 * else the first that both know. A matrix or gray profile, being colorimetric, goes along with any intent of a table; between
 * two of them all but the absolute intent are the relative one.
 */
export function chooseIntent(input: Profile, output: Profile, wanted: Intent): Intent {
  const tables = [input.read, output.write].filter((way) => way?.kind === 'tables');
  if (tables.length === 0) return wanted === 'absolute' ? 'absolute' : 'relative';
  const both = INTENTS.filter((intent) => tables.every((way) => way?.intents.includes(intent)));
  const order = [wanted, output.intent, input.intent, 'relative', ...INTENTS] as const;
  // With none in common, the engine reads the input by whatever table it has.
  const known = both.length > 0 ? both : (output.write ?? input.read)?.intents;
  return order.find((intent) => known?.includes(intent)) ?? wanted;
}

const NAMES: Readonly<Record<PixelSpace, string>> = { gray: 'gray', rgb: 'RGB', cmyk: 'CMYK' };

function embeddedProfile({ embedded, space }: LayerColour, warnings: string[]): ChosenProfile | null {
  if (embedded === null) return null;
  try {
    const profile = embedded instanceof Uint8Array ? parseProfile(embedded) : embedded;
    const fault = faultOf(profile, space, 'input');
    if (fault === null) return { profile, label: profile.description, from: 'embedded' };
    warnings.push(`the embedded profile '${profile.description}' is not used: ${fault}`);
  } catch (error) {
    if (!(error instanceof PyramidionError)) throw error;
    warnings.push(`the embedded profile is not used: ${error.message}`);
  }
  return null;
}

function chooseOutput(
  { icc, pixelType, isMask = false, defaults, layer, outer }: ColourRequest,
  input: ChosenProfile | null,
  warnings: string[],
): Pick<ColourPlan, 'space' | 'output'> {
  if (icc !== null) return explicitOutput(icc.known, pixelType);
  if (outer !== undefined) return outer;
  const space = pixelType ?? (isMask ? 'gray' : 'rgb');
  const known = defaults.output[space];
  if (known !== undefined) {
    const fault = faultOf(known.profile, space, 'output');
    if (fault === null)
      return { space, output: { profile: known.profile, label: known.label, from: 'output default' } };
    warnings.push(`the default for ${NAMES[space]}, '${known.label}', is not used for the reply: ${fault}`);
  }
  // What the first layer is already needs no way back for itself: an input profile will do.
  const isLike = input?.from === 'embedded' && layer?.space === space;
  return { space, output: isLike ? { ...input, from: 'first layer' } : null };
}

function explicitOutput(known: KnownProfile, pixelType: PixelSpace | null): Pick<ColourPlan, 'space' | 'output'> {
  const { profile, label } = known;
  const { pixelSpace } = profile;
  const context = { option: 'icc', value: known.name };
  if (pixelSpace !== null && pixelType !== null && pixelSpace !== pixelType) {
    throw new PyramidionError(
      'PROFILE_MISMATCH',
      `icc '${known.name}' is for ${NAMES[pixelSpace]}, and fmt asks for ${NAMES[pixelType]}`,
      { ...context, limit: pixelType },
    );
  }
  const fault =
    pixelSpace === null ? 'it is neither for gray nor RGB nor CMYK' : faultOf(profile, pixelSpace, 'output');
  if (pixelSpace === null || fault !== null) {
    throw new PyramidionError('PROFILE_INVALID', `icc '${known.name}' cannot be used for the reply: ${fault}`, context);
  }
  return { space: pixelSpace, output: { profile, label, from: 'icc' } };
}

/** Why a profile does not serve at one end; null when it does. */
function faultOf(profile: Profile, space: PixelSpace, end: 'input' | 'output'): string | null {
  if (profile.pixelSpace !== space) return `it describes ${profile.space.trim()} pixels, not ${NAMES[space]}`;
  if (end === 'input') return profile.canRead ? null : 'it has no way from pixels to colours';
  if (profile.canWrite) return null;
  return profile.canRead ? 'it is for input only' : 'it has no way from colours to pixels';
}

function conversionOf(facts: {
  layer: LayerColour | null;
  isMask: boolean;
  isManaged: boolean;
  identity: boolean;
  space: PixelSpace;
}): ColourPlan['conversion'] {
  const { layer, isMask, isManaged, identity, space } = facts;
  if (isMask) return space === 'gray' ? 'none' : 'naive';
  if (layer === null || identity) return 'none';
  if (isManaged) return 'managed';
  return layer.space === space ? 'none' : 'naive';
}
