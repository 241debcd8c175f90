/** Colours of a view: which profiles it is converted between. */
import {
  type ColourDefaults,
  type ColourOptions,
  type ColourPlan,
  chooseColour,
  type SpaceProfiles,
} from '../colour/choose.js';
import { findDefaults } from '../colour/defaults.js';
import type { Intent, Profile } from '../colour/parse.js';
import { type LookupScope, ProfileRegistry } from '../colour/registry.js';
import { invalidOption } from '../errors.js';
import type { ColourJob, PixelType } from '../native/contract.js';
import type { OutputRequest } from '../region/request.js';

/** Colour settings that a catalog has, under its names for them. A profile's name is any that the registry knows; '' is none. */
export interface ProfileSettings {
  /** Profiles of replies, by their pixel type; also what an image without a profile is taken to be in. */
  readonly iccProfileRgb: string;
  readonly iccProfileCmyk: string;
  readonly iccProfileGray: string;
  /** What an image without a profile is taken to be in, before those. */
  readonly iccProfileSrcRgb: string;
  readonly iccProfileSrcCmyk: string;
  readonly iccProfileSrcGray: string;
  readonly iccRenderIntent: Intent;
  readonly iccBlackPointCompensation: boolean;
  readonly iccDither: boolean;
}

/** Colour settings of an engine. */
export interface ColourSettings extends ProfileSettings {
  /** Folders of ICC profiles. */
  readonly profileFolders: readonly string[];
  /** Folders of free profiles that may stand in for press profiles that are not installed. */
  readonly standInFolders: readonly string[];
}

/** RGB replies in sRGB, which is what browsers take them for; no profile is assumed for gray and CMYK. */
export const DEFAULT_COLOUR: ColourSettings = {
  profileFolders: [],
  standInFolders: [],
  iccProfileRgb: 'sRGB',
  iccProfileCmyk: '',
  iccProfileGray: '',
  iccProfileSrcRgb: '',
  iccProfileSrcCmyk: '',
  iccProfileSrcGray: '',
  iccRenderIntent: 'relative',
  iccBlackPointCompensation: true,
  iccDither: false,
};

/** The settings with some of them set. Throws `INVALID_OPTION`. */
export function resolveColour(given: object): ColourSettings {
  const said = Object.entries(given).filter(([, value]) => value !== undefined);
  for (const [name, value] of said) {
    const fallback = (DEFAULT_COLOUR as unknown as Readonly<Record<string, unknown>>)[name];
    if (fallback === undefined) throw invalidOption(`colour.${name}`, value, 'left out: there is no such setting');
    const isRight = Array.isArray(fallback)
      ? Array.isArray(value) && value.every((item) => typeof item === 'string')
      : name === 'iccRenderIntent'
        ? ['perceptual', 'relative', 'saturation', 'absolute'].includes(value)
        : typeof value === typeof fallback;
    if (!isRight) throw invalidOption(`colour.${name}`, value, `like its default, ${JSON.stringify(fallback)}`);
  }
  return { ...DEFAULT_COLOUR, ...Object.fromEntries(said) };
}

/** What is known of an image's colours. */
export interface ImageColour {
  readonly space: PixelType['space'];
  /** The embedded profile; null when there is none that can be parsed. */
  readonly embedded: Profile | null;
  /** Why a profile that the file does have is not used; part of every view's plan. */
  readonly warnings: readonly string[];
}

/** Colours as a catalog has them: what differs from the engine's, and what its names lead to. */
export interface CatalogColour {
  readonly settings: Partial<ProfileSettings>;
  /** ICC maps, and the roots their paths are below. */
  readonly scope: LookupScope;
}

/** Finds profiles and chooses those of a view. */
export interface ColourChooser {
  /** Errors: `PROFILE_INVALID`, `PROFILE_MISMATCH` and `INVALID_OPTION` for what `icc=` asks. */
  choose(image: ImageColour, output: OutputRequest): Promise<ColourPlan>;
  /**
   * Text that is the same for the same profiles and options, by their contents: what was made under one may be shown under
   * it. Errors as those of `choose` for a profile that cannot be found.
   */
  identity(output: OutputRequest): Promise<string>;
}

/** The profiles of the folders of the settings; what is wrong with them is told to `onWarning`. */
export function openProfiles(
  { profileFolders, standInFolders }: Pick<ColourSettings, 'profileFolders' | 'standInFolders'>,
  onWarning: (message: string) => void,
): Promise<ProfileRegistry> {
  return ProfileRegistry.open({
    folders: profileFolders,
    ...(standInFolders.length > 0 && { standIns: { folders: standInFolders } }),
    onWarning: ({ message }) => onWarning(message),
  });
}

/** Finds the profiles of the settings. A default that cannot be found is as if it were empty, and told to `onWarning`. */
export async function openColour(
  registry: ProfileRegistry,
  settings: ColourSettings,
  onWarning: (message: string) => void,
  scope: LookupScope = {},
): Promise<ColourChooser> {
  const found = await findDefaults(
    registry,
    {
      output: { rgb: settings.iccProfileRgb, cmyk: settings.iccProfileCmyk, gray: settings.iccProfileGray },
      source: { rgb: settings.iccProfileSrcRgb, cmyk: settings.iccProfileSrcCmyk, gray: settings.iccProfileSrcGray },
    },
    scope,
  );
  for (const { message } of found.warnings) onWarning(message);
  const defaults: ColourDefaults = found;
  const options: ColourOptions = {
    intent: settings.iccRenderIntent,
    blackPointCompensation: settings.iccBlackPointCompensation,
    dither: settings.iccDither,
  };
  const fixed = JSON.stringify([contents(found.output), contents(found.source), options]);
  return {
    identity: async ({ icc }) => {
      if (icc === null) return fixed;
      const { profile } = await registry.find(icc.profile, { ...scope, option: 'icc' });
      return `${fixed} ${profile.sha256}`;
    },
    choose: async ({ space, embedded, warnings }, output) => {
      const { icc } = output;
      const known = icc === null ? null : await registry.find(icc.profile, { ...scope, option: 'icc' });
      const plan = chooseColour({
        pixelType: pixelTypeOf(output.pixelType),
        bits: output.bits,
        icc: icc === null || known === null ? null : { ...icc, known },
        layer: { space, embedded, defaults },
        defaults,
        options,
      });
      return warnings.length === 0 ? plan : { ...plan, warnings: [...warnings, ...plan.warnings] };
    },
  };
}

function contents({ rgb, cmyk, gray }: SpaceProfiles): (string | undefined)[] {
  return [rgb, cmyk, gray].map((known) => known?.profile.sha256);
}

/** The pixel type that `fmt` names; another word is for the encoder to refuse. */
function pixelTypeOf(word: string | null): PixelType['space'] | null {
  return word === 'gray' || word === 'rgb' || word === 'cmyk' ? word : null;
}

/** The conversion that native code makes; null when the values stay as they are, or are converted without profiles. */
export function colourJob(plan: ColourPlan): ColourJob | null {
  const { conversion, input, output, intent, blackPointCompensation } = plan;
  if (conversion !== 'managed' || input === null || output === null) return null;
  return {
    inputProfile: sharedBytes(input.profile),
    outputProfile: sharedBytes(output.profile),
    intent,
    blackPointCompensation,
  };
}

/** Profiles as all threads can read them: one copy, however many views take them. */
const shared = new WeakMap<Profile, Uint8Array>();

function sharedBytes(profile: Profile): Uint8Array {
  let bytes = shared.get(profile);
  if (bytes === undefined) {
    bytes = new Uint8Array(new SharedArrayBuffer(profile.bytes.length));
    bytes.set(profile.bytes);
    shared.set(profile, bytes);
  }
  return bytes;
}
