/** The colour defaults of a catalog, from the names in its settings. */
import { type ErrorCode, toPyramidionError } from '../errors.js';
import type { ColourDefaults, SpaceProfiles } from './choose.js';
import type { PixelSpace } from './named.js';
import type { LookupScope, ProfileRegistry } from './registry.js';

/** Names of profiles by pixel type; '' or absent: none. */
export type SpaceNames = Readonly<Partial<Record<PixelSpace, string>>>;

/** A default that is as if it were empty, and why. */
export interface DefaultWarning {
  readonly code: ErrorCode;
  /** Names the setting and the profile. */
  readonly message: string;
}

const SETTINGS: Readonly<Record<keyof ColourDefaults, Readonly<Record<PixelSpace, string>>>> = {
  output: { rgb: 'iccProfileRgb', cmyk: 'iccProfileCmyk', gray: 'iccProfileGray' },
  source: { rgb: 'iccProfileSrcRgb', cmyk: 'iccProfileSrcCmyk', gray: 'iccProfileSrcGray' },
};

/**
 * Finds the profiles of a catalog's settings. One that is not known, not installed, or of another pixel type than its
 * setting is as if it were empty, and told among the warnings. Rejects never.
 */
export async function findDefaults(
  registry: Pick<ProfileRegistry, 'find'>,
  names: Readonly<Partial<Record<keyof ColourDefaults, SpaceNames>>>,
  scope: LookupScope = {},
): Promise<ColourDefaults & { readonly warnings: readonly DefaultWarning[] }> {
  const warnings: DefaultWarning[] = [];
  const findAll = async (end: keyof ColourDefaults): Promise<SpaceProfiles> => {
    const found: { -readonly [Space in keyof SpaceProfiles]: SpaceProfiles[Space] } = {};
    for (const space of ['rgb', 'cmyk', 'gray'] as const) {
      const name = names[end]?.[space] ?? '';
      if (name === '') continue;
      const option = SETTINGS[end][space];
      try {
        const known = await registry.find(name, { ...scope, option });
        if (known.profile.pixelSpace === space) {
          found[space] = known;
          if (end === 'output' && !known.profile.canWrite) {
            const message = `${option} '${name}' is for input only: it is the default of sources, and of no reply`;
            warnings.push({ code: 'PROFILE_INVALID', message });
          }
        } else {
          const message = `${option} '${name}' is for ${known.profile.space.trim()} pixels: there is no such default`;
          warnings.push({ code: 'PROFILE_MISMATCH', message });
        }
      } catch (thrown) {
        const { code, message } = toPyramidionError(thrown);
        warnings.push({ code, message: `${message}: there is no such default` });
      }
    }
    return found;
  };
  return { output: await findAll('output'), source: await findAll('source'), warnings };
}
