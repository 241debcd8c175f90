/** Writes TIFFs for tests: any fields, any links, no pixels. */

/** A field: SHORT 3, LONG 4, LONG8 16, ASCII 2, UNDEFINED 7, RATIONAL 5 (as pairs). */
export interface Field {
  readonly tag: number;
  readonly type: number;
  readonly values: readonly number[] | string | Uint8Array;
  /** Claim another count than there are values. */
  readonly count?: number;
}

/** A directory with what hangs below it. */
export interface Directory {
  readonly fields: readonly Field[];
  /** Each is a chain of directories, linked as the main chain is. */
  readonly subIfds?: readonly (readonly Directory[])[];
}

export interface TiffOptions {
  readonly bigTiff?: boolean;
  readonly littleEndian?: boolean;
  /** Index of the directory the last one links back to. */
  readonly loopTo?: number;
}

const SIZES: Record<number, number> = { 1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 7: 1, 13: 4, 16: 8, 18: 8 };

/** The bytes of a TIFF with the given main chain. */
export function writeTiff(chain: readonly Directory[], options: TiffOptions = {}): Uint8Array {
  const { bigTiff = false, littleEndian = true, loopTo } = options;
  const out: number[] = [];
  const put = (value: number, size: number, at = out.length) => {
    for (let i = 0; i < size; i++) {
      const shift = littleEndian ? i : size - 1 - i;
      out[at + i] = Math.floor(value / 2 ** (8 * shift)) % 256;
    }
  };
  const word = bigTiff ? 8 : 4;
  const order = littleEndian ? 0x49 : 0x4d;
  out.push(order, order);
  put(bigTiff ? 43 : 42, 2);
  if (bigTiff) {
    put(8, 2);
    put(0, 2);
  }
  const firstLink = out.length;
  put(0, word);

  const encode = ({ type, values }: Field): number[] => {
    if (typeof values === 'string') return [...Buffer.from(`${values}\0`)];
    if (values instanceof Uint8Array) return [...values];
    const size = SIZES[type] ?? 1;
    const start = out.length;
    for (const value of values) put(value, size);
    return out.splice(start);
  };
  const writeChain = (directories: readonly Directory[], link: number | null, back?: number): number[] => {
    const offsets: number[] = [];
    let linkAt = link;
    for (const { fields, subIfds = [] } of directories) {
      const heads = subIfds.map((nested) => writeChain(nested, null)[0] ?? 0);
      const all = heads.length === 0 ? fields : [...fields, { tag: 330, type: bigTiff ? 18 : 13, values: heads }];
      const prepared = [...all]
        .sort((a, b) => a.tag - b.tag)
        .map((field) => {
          const bytes = encode(field);
          const perValue = (SIZES[field.type] ?? 1) * (field.type === 5 ? 2 : 1);
          if (bytes.length > word) {
            if (out.length % 2) out.push(0);
            const place = out.length;
            out.push(...bytes);
            return { field, count: field.count ?? bytes.length / perValue, place };
          }
          return { field, count: field.count ?? bytes.length / perValue, bytes };
        });
      if (out.length % 2) out.push(0);
      const offset = out.length;
      offsets.push(offset);
      if (linkAt !== null) put(offset, word, linkAt);
      put(prepared.length, bigTiff ? 8 : 2);
      for (const { field, count, place, bytes } of prepared) {
        put(field.tag, 2);
        put(field.type, 2);
        put(count, word);
        if (place !== undefined) put(place, word);
        else for (let i = 0; i < word; i++) out.push(bytes?.[i] ?? 0);
      }
      linkAt = out.length;
      put(0, word);
    }
    if (back !== undefined && linkAt !== null) put(offsets[back] ?? 0, word, linkAt);
    return offsets;
  };
  writeChain(chain, firstLink, loopTo);
  return Uint8Array.from(out);
}

/** What {@link image} can be told. */
export interface ImageOptions {
  readonly tile?: number | null;
  readonly subfileType?: number;
  readonly samples?: number;
  readonly photometric?: number;
  readonly extra?: readonly Field[];
  readonly subIfds?: readonly (readonly Directory[])[];
  readonly tileOffset?: number;
  readonly tileLength?: number;
}

/** An 8-bit image of the given size whose tiles (or one strip) all stand at one place of the file. */
export function image(width: number, height: number, options: ImageOptions = {}): Directory {
  const { tile = 64, samples = 3, tileOffset = 2, tileLength = 4 } = options;
  const count = tile === null ? 1 : Math.ceil(width / tile) * Math.ceil(height / tile);
  const tables: Field[] =
    tile === null
      ? [
          { tag: 273, type: 4, values: [tileOffset] },
          { tag: 278, type: 4, values: [height] },
          { tag: 279, type: 4, values: [tileLength] },
        ]
      : [
          { tag: 322, type: 3, values: [tile] },
          { tag: 323, type: 3, values: [tile] },
          { tag: 324, type: 4, values: new Array<number>(count).fill(tileOffset) },
          { tag: 325, type: 4, values: new Array<number>(count).fill(tileLength) },
        ];
  const given = options.extra ?? [];
  const fields: Field[] = [
    { tag: 254, type: 4, values: [options.subfileType ?? 0] },
    { tag: 256, type: 4, values: [width] },
    { tag: 257, type: 4, values: [height] },
    { tag: 258, type: 3, values: new Array<number>(samples).fill(8) },
    { tag: 259, type: 3, values: [8] },
    { tag: 262, type: 3, values: [options.photometric ?? (samples >= 3 ? 2 : 1)] },
    { tag: 277, type: 3, values: [samples] },
    ...tables,
  ];
  const replaced = new Set(given.map((field) => field.tag));
  return {
    fields: [...fields.filter((field) => !replaced.has(field.tag)), ...given],
    ...(options.subIfds === undefined ? {} : { subIfds: options.subIfds }),
  };
}

/** Bytes in memory as `readPyramid` takes them; counts what is read and refuses to read outside. */
export function inMemory(bytes: Uint8Array): {
  size: number;
  read: (offset: number, length: number) => Promise<Uint8Array>;
  total: () => number;
} {
  let total = 0;
  return {
    size: bytes.length,
    read: async (offset, length) => {
      if (offset < 0 || length < 0 || offset + length > bytes.length)
        throw new Error(`read of ${length} at ${offset} of ${bytes.length}`);
      total += length;
      return bytes.slice(offset, offset + length);
    },
    total: () => total,
  };
}
