/** Photoshop image resources ("8BIM" blocks), as JPEG's APP13 and TIFF's tag 34377 hold them. */

/** Resource numbers used here (Photoshop file format specification, "Image resource IDs"). */
export const RESOURCE = {
  iptc: 1028,
  thumbnailOld: 1033,
  icc: 1039,
  thumbnail: 1036,
  exif: 1058,
  exif3: 1059,
  xmp: 1060,
} as const;

/** Saved paths, and the name of the clipping path. */
const FIRST_PATH = 2000;
const LAST_PATH = 2999;

/** One resource: its header and name as stored, and its data. */
export interface PhotoshopResource {
  readonly id: number;
  readonly name: Uint8Array;
  readonly data: Uint8Array;
}

/** Whether a resource holds paths, whose coordinates belong to the image as it was stored. */
export function isPath(id: number): boolean {
  return id >= FIRST_PATH && id <= LAST_PATH;
}

/** The resources of a block, up to the first that is damaged. */
export function readResources(block: Uint8Array): PhotoshopResource[] {
  const bytes = Buffer.from(block.buffer, block.byteOffset, block.byteLength);
  const found: PhotoshopResource[] = [];
  let at = 0;
  while (at + 12 <= bytes.length && bytes.toString('latin1', at, at + 4) === '8BIM') {
    const id = bytes.readUInt16BE(at + 4);
    const nameEnd = at + 6 + roundEven(1 + (bytes[at + 6] ?? 0));
    if (nameEnd + 4 > bytes.length) break;
    const length = bytes.readUInt32BE(nameEnd);
    const start = nameEnd + 4;
    if (start + length > bytes.length) break;
    found.push({ id, name: block.subarray(at + 6, nameEnd), data: block.subarray(start, start + length) });
    at = start + roundEven(length);
  }
  return found;
}

/** The block that holds `resources`. */
export function writeResources(resources: readonly PhotoshopResource[]): Uint8Array {
  const parts = resources.flatMap(({ id, name, data }) => {
    const head = Buffer.alloc(6);
    head.write('8BIM', 'latin1');
    head.writeUInt16BE(id, 4);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    return [head, name, length, data, Buffer.alloc(data.length & 1)];
  });
  return Uint8Array.from(Buffer.concat(parts));
}

function roundEven(value: number): number {
  return value + (value & 1);
}
