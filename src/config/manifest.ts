/** The default manifest in the file: attributes of the default catalog, read as the library reads them. */
import { z } from 'zod';
import { ATTRIBUTES, type AttributeRow, textOf } from '../library/attributes.js';
import { type Faults, isObject } from './faults.js';
import type { Kind } from './kinds.js';

/** Properties as they were written, lists with commas between; those that were not are absent. */
export type Manifest = Readonly<Record<string, string | number | boolean>>;

/** A property of a manifest. */
export interface ManifestProperty extends Kind<string | number | boolean> {
  readonly name: string;
  /** The default as it would be written, and what it does: of those that manifests have had from the beginning. */
  readonly documented: readonly [byDefault: string, effect: string] | null;
}

const DOCUMENTED: Readonly<Record<string, readonly [byDefault: string, effect: string]>> = {
  bkgcolor: ['FFFFFF', 'background'],
  defaultpix: [
    '300,300',
    'size that replies fit into when none of `wid`, `hei` and `scl` is given; 0 leaves a side free',
  ],
  defaultthumbpix: ['100,100', 'the same of `req=tmb`'],
  expiration: ['36000000', 'how long clients may keep a picture; 0 is not at all'],
  jpegquality: ['80', 'quality of lossy replies; with `,1` they keep full chroma'],
  maxpix: ['2000,2000', 'largest reply; 0 is any'],
  resmode: ['SHARP2', 'resampling'],
  resolution: ['72', 'pixels per inch of images whose record does not say'],
  thumbnailtime: [
    '1%,11%,21%,31%,41%,51%,61%,71%,81%,91%',
    'positions of thumbnails of videos, for whoever makes them',
  ],
  iccprofilergb: ['', 'profile of RGB replies'],
  iccprofilecmyk: ['', 'profile of CMYK replies'],
  iccprofilegray: ['', 'profile of gray replies'],
  iccprofilesrcrgb: ['', 'profile of RGB images without one; else that of RGB replies'],
  iccprofilesrccmyk: ['', 'profile of CMYK images without one; else that of CMYK replies'],
  iccprofilesrcgray: ['', 'profile of gray images without one; else that of gray replies'],
  iccblackpointcompensation: ['true', 'black-point compensation of conversions'],
  iccdither: ['false', 'dither after conversions'],
  iccrenderintent: ['relative', 'rendering intent of conversions'],
};

const scalar = z.union([z.string(), z.number(), z.boolean()]);

/** Every property: those documented first, in the order of the documentation. */
export const MANIFEST: readonly ManifestProperty[] = propertiesOf(ATTRIBUTES);

/** The properties that the file has. */
export function readManifest(written: unknown, file: string, faults: Faults): Manifest {
  if (written === undefined) return {};
  if (!isObject(written)) {
    faults.addValue(`manifest in ${file}`, 'manifest', written, 'an object of properties');
    return {};
  }
  const known = new Map(MANIFEST.map(({ name }) => [name, name]));
  const properties: [string, string | number | boolean][] = [];
  for (const [name, value] of Object.entries(written)) {
    const property = MANIFEST.find((each) => each.name === name);
    const option = `manifest.${name}`;
    const where = `${option} in ${file}`;
    if (property === undefined) faults.addName(where, name, option, value, known);
    else properties.push([name, faults.read(where, option, value, property)?.value ?? '']);
  }
  return Object.fromEntries(properties);
}

function propertiesOf(attributes: Readonly<Record<string, AttributeRow<unknown>>>): ManifestProperty[] {
  const { rootId: _, ...others } = attributes;
  const rows = new Map(Object.values(others).map((row) => [row.name.toLowerCase(), row.manifestKind]));
  const names = new Set([...Object.keys(DOCUMENTED), ...rows.keys()]);
  return [...names].flatMap((name) => {
    const kind = rows.get(name);
    if (kind === undefined) return [];
    const isGood = (value: unknown): boolean => value === '' || kind.read(textOf(value) ?? '') !== undefined;
    const list = z.array(scalar).transform((items) => items.join());
    const schema = z.union([scalar, list]).refine(isGood);
    return [{ name, schema, allowed: kind.allowed, takesEmpty: true, documented: DOCUMENTED[name] ?? null }];
  });
}
