/** The profiles that have names of their own: ten RGB and three gray ones that we make, 22 of presses that we cannot. */
import type { PixelType } from '../native/contract.js';

/** Gray, RGB or CMYK. */
export type PixelSpace = PixelType['space'];

/** A named profile, under any of its names. */
export interface NamedProfile {
  /** As in `icc=AdobeRGB`. */
  readonly identifier: string;
  /** What a profile's own description says, and other programs show. */
  readonly commonName: string;
  /** The file it comes in. */
  readonly fileName: string;
  readonly space: PixelSpace;
  /** Whether it can be computed. A press profile is measured data: it has to be installed. */
  readonly isGenerated: boolean;
}

/** Free profiles of the same printing condition, by file name: those of colord, and of Compact-ICC-Profiles. */
export type StandInFiles = Readonly<Record<string, string>>;

type Row = readonly [identifier: string, commonName: string, fileName: string];

const RGB: readonly Row[] = [
  ['AdobeRGB', 'Adobe RGB (1998)', 'AdobeRGB1998.icc'],
  ['AppleRGB', 'Apple RGB', 'AppleRGB.icc'],
  ['CIERGB', 'CIE RGB', 'CIERGB.icc'],
  ['ColorMatchRGB', 'ColorMatch RGB', 'ColorMatchRGB.icc'],
  ['NTSC', 'NTSC (1953)', 'NTSC1953.icc'],
  ['PAL', 'PAL/SECAM', 'PAL_SECAM.icc'],
  ['ProPhoto', 'ProPhoto RGB', 'ProPhoto.icm'],
  ['SMPTE', 'SMPTE-C', 'SMPTE-C.icc'],
  ['sRGB', 'sRGB IEC61966-2.1', 'sRgb Color Space Profile.icm'],
  ['WideGamutRGB', 'Wide Gamut RGB', 'WideGamutRGB.icc'],
];

const GRAY: readonly Row[] = [
  ['sGray', 'sGray', 'sGray.icc'],
  ['GrayGamma22', 'Gray Gamma 2.2', 'GrayGamma22.icc'],
  ['GrayGamma18', 'Gray Gamma 1.8', 'GrayGamma18.icc'],
];

const PRESS: readonly Row[] = [
  ['CoatedFogra27', 'Coated FOGRA27 (ISO 12647-2:2004)', 'CoatedFOGRA27.icc'],
  ['CoatedFogra39', 'Coated FOGRA39 (ISO 12647-2:2004)', 'CoatedFOGRA39.icc'],
  ['CoatedGraCol', 'Coated GRACoL 2006 (ISO 12647-2:2004)', 'CoatedGRACoL2006.icc'],
  ['EuropeISOCoated', 'Europe ISO Coated FOGRA27', 'EuropeISOCoatedFOGRA27.icc'],
  ['EuroscaleCoated', 'Euroscale Coated v2', 'EuroscaleCoated.icc'],
  ['EuroscaleUncoated', 'Euroscale Uncoated v2', 'EuroscaleUncoated.icc'],
  ['JapanColorCoated', 'Japan Color 2001 Coated', 'JapanColor2001Coated.icc'],
  ['JapanColorNewspaper', 'Japan Color 2002 Newspaper', 'JapanColor2002Newspaper.icc'],
  ['JapanColorUncoated', 'Japan Color 2001 Uncoated', 'JapanColor2001Uncoated.icc'],
  ['JapanColorWebCoated', 'Japan Color 2003 Web Coated', 'JapanColor2003WebCoated.icc'],
  ['JapanWebCoated', 'Japan Web Coated (Ad)', 'JapanWebCoated.icc'],
  ['NewsprintSNAP2007', 'US Newsprint (SNAP 2007)', 'USNewsprintSNAP2007.icc'],
  ['PS4Default', 'Photoshop 4 Default CMYK', 'Photoshop4DefaultCMYK.icc'],
  ['PS5Default', 'Photoshop 5 Default CMYK', 'Photoshop5DefaultCMYK.icc'],
  ['SheetfedCoated', 'U.S. Sheetfed Coated v2', 'USSheetfedCoated.icc'],
  ['SheetfedUncoated', 'U.S. Sheetfed Uncoated v2', 'USSheetfedUncoated.icc'],
  ['UncoatedFogra29', 'Uncoated FOGRA29 (ISO 12647-2:2004)', 'UncoatedFOGRA29.icc'],
  ['WebCoated', 'U.S. Web Coated (SWOP) v2', 'USWebCoatedSWOP.icc'],
  ['WebCoatedFogra28', 'Web Coated FOGRA28 (ISO 12647-2:2004)', 'WebCoatedFOGRA28.icc'],
  ['WebCoatedGrade3', 'Web Coated SWOP 2006 Grade 3 Paper', 'WebCoatedSWOP2006Grade3.icc'],
  ['WebCoatedGrade5', 'Web Coated SWOP 2006 Grade 5 Paper', 'WebCoatedSWOP2006Grade5.icc'],
  ['WebUncoated', 'U.S. Web Uncoated v2', 'USWebUncoated.icc'],
];

/** All of them: RGB, gray, CMYK, each in the order of the documentation. */
export const NAMED_PROFILES: readonly NamedProfile[] = [
  ...RGB.map(rowOf('rgb', true)),
  ...GRAY.map(rowOf('gray', true)),
  ...PRESS.map(rowOf('cmyk', false)),
];

/** Common names that are written in more than one way, by identifier. */
const OTHER_NAMES: Readonly<Record<string, readonly string[]>> = { EuroscaleCoated: ['Euroscale Coated'] };

/**
 * Files that may stand in for a press profile, by its identifier: CC0 profiles made from the characterisation data of the
 * same printing condition. They are not numerically equal to the vendors', and the one for `WebCoated` is for input only.
 */
export const STAND_INS: StandInFiles = {
  CoatedFogra27: 'FOGRA27L_coated.icc',
  CoatedFogra39: 'FOGRA39L_coated.icc',
  CoatedGraCol: 'GRACoL_TR006_coated.icc',
  EuropeISOCoated: 'FOGRA27L_coated.icc',
  NewsprintSNAP2007: 'SNAP_TR002_newsprint.icc',
  UncoatedFogra29: 'FOGRA29L_uncoated.icc',
  WebCoated: 'CGATS001Compat-v2-micro.icc',
  WebCoatedFogra28: 'FOGRA28L_webcoated.icc',
  WebCoatedGrade3: 'SWOP_TR003_coated_3.icc',
  WebCoatedGrade5: 'SWOP_TR005_coated_5.icc',
};

/** A name as names are compared: capitals and the width of blanks do not count. */
export function foldName(name: string): string {
  return name.trim().replace(/\s+/g, ' ').toLowerCase();
}

const byName = new Map<string, NamedProfile>();
for (const named of NAMED_PROFILES) for (const name of namesOf(named)) byName.set(foldName(name), named);

/** The profile of that identifier, common name or file name, in any capitals; null when there is none. */
export function lookupNamed(name: string): NamedProfile | null {
  return byName.get(foldName(name)) ?? null;
}

/** Every name of a profile: identifier, common name in each spelling, file name. */
export function namesOf({ identifier, commonName, fileName }: NamedProfile): string[] {
  return [identifier, commonName, ...(OTHER_NAMES[identifier] ?? []), fileName];
}

function rowOf(space: PixelSpace, isGenerated: boolean): (row: Row) => NamedProfile {
  return ([identifier, commonName, fileName]) => ({ identifier, commonName, fileName, space, isGenerated });
}
