/**
 * Stored tiles as files of their own: no pixel is decoded, and the entropy-coded bytes are the pyramid's. A JPEG tile in
 * a TIFF is an abbreviated stream: its tables stand elsewhere, and that its components are YCbCr or RGB is a field of
 * the TIFF (technical note 2 of TIFF 6.0). Both are put in front of it here.
 */

import { parseProfile } from '../colour/parse.js';
import { PyramidionError } from '../errors.js';
import type { Level, Pyramid } from './open.js';
import { PHOTOMETRIC } from './pixel-type.js';

/** A stored tile as a file. */
export interface StoredTile {
  /** The caller's. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly mediaType: 'image/jpeg' | 'image/webp';
  /** Pixels of the tile as stored: at the edges of a level it reaches beyond the level. */
  readonly width: number;
  readonly height: number;
  /**
   * Whether browsers (and most other decoders) show it as the pyramid has it. False for CMYK: a TIFF stores plain
   * amounts of ink, and decoders take those of a JPEG as inverted, whatever its markers say. Such a tile has to be
   * decoded and encoded again for anyone but a reader that knows.
   */
  readonly browserSafe: boolean;
}

/** What is put into a tile's file besides its pixels, and how large it may be. */
export interface StoredTileOptions {
  /** Embed the pyramid's profile, when it has one for such pixels. Default false. */
  readonly icc?: boolean | undefined;
  /** Most bytes of the stored tile. Default 64 MiB. */
  readonly maxBytes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

const DEFAULT_MAX_BYTES = 64 << 20;

const COMPRESSION = { jpeg: 7, webp: 50001 } as const;

/**
 * One stored tile as a file of its own. Null when it cannot be one: the tile is missing, its codec is neither JPEG nor
 * WebP, or it is a kind of JPEG that stands for other colours outside of its TIFF (white-is-zero, Lab, alpha, separate
 * planes, 12 bits, lossless).
 *
 * Errors: `INVALID_REQUEST` for a tile that is not in the level; `LIMIT_EXCEEDED` when it has more than `maxBytes`;
 * `CORRUPT_IMAGE` when it does not start as its codec does; those of reading the index and the tile; `ABORTED`.
 */
export async function storedTile(
  pyramid: Pyramid,
  level: number,
  column: number,
  row: number,
  options: StoredTileOptions = {},
): Promise<StoredTile | null> {
  const { icc = false, maxBytes = DEFAULT_MAX_BYTES, signal } = options;
  const index = await pyramid.tileIndex(level, signal);
  const shape = pyramid.levels[level];
  if (shape === undefined) throw new PyramidionError('INTERNAL', `level ${level} has an index and no shape`);
  const isInside = column >= 0 && row >= 0 && column < shape.columns && row < shape.rows;
  if (!isInside || !Number.isInteger(column) || !Number.isInteger(row)) {
    throw new PyramidionError(
      'INVALID_REQUEST',
      `level ${level} has ${shape.columns} × ${shape.rows} tiles; got column ${column}, row ${row}`,
      { value: [column, row], limit: [shape.columns, shape.rows] },
    );
  }
  const number = row * shape.columns + column;
  const length = index.lengths[number] ?? 0;
  if (length === 0) return null;
  const front = madeFront(pyramid, shape, icc) ?? (await makeFront(pyramid, shape, icc));
  if (front === null) return null;
  if (length > maxBytes) {
    throw new PyramidionError('LIMIT_EXCEEDED', `the tile has ${length} bytes; at most ${maxBytes} are read`, {
      option: 'maxBytes',
      value: length,
      limit: maxBytes,
    });
  }
  const at = front.bytes.length - front.overlap;
  const buffer = Buffer.allocUnsafeSlow(at + length);
  const tile = buffer.subarray(at);
  await pyramid.source.readInto(tile, index.offsets[number] ?? 0, signal);
  return front.kind === 'jpeg' ? finishJpeg(front, shape, buffer, tile) : finishWebp(front, shape, buffer, tile);
}

/** What is put in front of each tile of a level. The first bytes of a tile, `overlap` of them, are replaced by its last ones. */
type Front = JpegFront | WebpFront;

interface JpegFront {
  readonly kind: 'jpeg';
  /** SOI, the markers that tell the colour, the profile, the tables. */
  readonly bytes: Uint8Array;
  readonly overlap: number;
  /** Length of `bytes` without the tables, which are its last part. */
  readonly bare: number;
  /** Tables it has, as {@link tablesIn} counts them. */
  readonly tables: number;
  readonly colour: 'gray' | 'ycbcr' | 'rgb' | 'cmyk';
}

interface WebpFront {
  readonly kind: 'webp';
  /** Empty when no profile is embedded: the stored bytes are a file as they are. */
  readonly bytes: Uint8Array;
  readonly overlap: number;
}

/** Of each level of an open pyramid, without the profile and with it. */
const fronts = new WeakMap<Pyramid, (Front | undefined)[]>();

function madeFront(pyramid: Pyramid, level: Level, icc: boolean): Front | undefined {
  return fronts.get(pyramid)?.[2 * level.index + Number(icc)];
}

async function makeFront(pyramid: Pyramid, level: Level, icc: boolean): Promise<Front | null> {
  const front = await composeFront(pyramid, level, icc);
  if (front === null) return null;
  const made = fronts.get(pyramid) ?? [];
  made[2 * level.index + Number(icc)] = front;
  fronts.set(pyramid, made);
  return front;
}

async function composeFront(pyramid: Pyramid, level: Level, icc: boolean): Promise<Front | null> {
  const { stored } = level;
  if (stored.bitsPerSample !== 8 || stored.separate) return null;
  const profile = icc ? profileOf(pyramid) : null;
  if (stored.compression === COMPRESSION.jpeg) {
    const colour = jpegColour(level);
    if (colour === null) return null;
    const tables = withoutEnds(await pyramid.tables(level.index), level.index);
    const front = Buffer.concat([
      SOI,
      ...(colour === 'cmyk' ? [] : [colour === 'rgb' ? adobe(0) : JFIF]),
      ...iccSegments(profile),
    ]);
    const bytes = Buffer.concat([front, tables]);
    return { kind: 'jpeg', bytes, overlap: 2, bare: front.length, tables: tablesIn(tables, level.index), colour };
  }
  if (stored.compression !== COMPRESSION.webp || stored.photometric !== PHOTOMETRIC.rgb) return null;
  // WebP's alpha is straight.
  if (stored.extraSamples.includes(1)) return null;
  const bytes = profile === null ? new Uint8Array(0) : webpFront(profile);
  return { kind: 'webp', bytes, overlap: profile === null ? 0 : RIFF_BYTES };
}

/** The embedded profile, when it describes such pixels as the tiles hold: others make decoders complain. */
function profileOf({ info, pixels }: Pyramid): Uint8Array | null {
  if (info.profile === null) return null;
  try {
    return parseProfile(info.profile.bytes).pixelSpace === pixels.space ? info.profile.bytes : null;
  } catch (error) {
    if (error instanceof PyramidionError) return null;
    throw error;
  }
}

function jpegColour({ stored: { photometric, samplesPerPixel } }: Level): JpegFront['colour'] | null {
  if (photometric === PHOTOMETRIC.blackIsZero && samplesPerPixel === 1) return 'gray';
  if (photometric === PHOTOMETRIC.rgb && samplesPerPixel === 3) return 'rgb';
  if (photometric === PHOTOMETRIC.ycbcr && samplesPerPixel === 3) return 'ycbcr';
  return photometric === PHOTOMETRIC.separated && samplesPerPixel === 4 ? 'cmyk' : null;
}

const MARKER = {
  sof0: 0xc0,
  sof2: 0xc2,
  dht: 0xc4,
  soi: 0xd8,
  eoi: 0xd9,
  sos: 0xda,
  dqt: 0xdb,
  app0: 0xe0,
  app14: 0xee,
} as const;

const SOI = Buffer.from([0xff, MARKER.soi]);

/** APP0 of JFIF 1.01: one or three components are gray or YCbCr. */
const JFIF = Buffer.from([0xff, MARKER.app0, 0, 16, 0x4a, 0x46, 0x49, 0x46, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0]);

/** APP14 of Adobe (technical note 5116): transform 0 is none, 1 is YCbCr. */
function adobe(transform: 0 | 1): Buffer {
  return Buffer.from([0xff, MARKER.app14, 0, 14, 0x41, 0x64, 0x6f, 0x62, 0x65, 0, 100, 0, 0, 0, 0, transform]);
}

/** Bytes of a profile that fit in one APP2 segment; ICC.1 annex B.4. */
const ICC_PART = 65_519;

/** A profile that needs more than 255 segments is left out. */
function iccSegments(profile: Uint8Array | null): Buffer[] {
  const parts = Math.ceil((profile?.length ?? 0) / ICC_PART);
  if (profile === null || parts > 255) return [];
  return Array.from({ length: parts }, (_, i) => {
    const part = profile.subarray(i * ICC_PART, (i + 1) * ICC_PART);
    const head = Buffer.from('\xff\xe2\0\0ICC_PROFILE\0\0\0', 'latin1');
    head.writeUInt16BE(part.length + 16, 2);
    head[16] = i + 1;
    head[17] = parts;
    return Buffer.concat([head, part]);
  });
}

/** JPEGTables between its SOI and EOI. */
function withoutEnds(tables: Uint8Array | null, level: number): Uint8Array {
  if (tables === null || tables.length === 0) return new Uint8Array(0);
  if (tables[0] !== 0xff || tables[1] !== MARKER.soi)
    throw corrupt(`the JPEG tables of level ${level} do not start as such`);
  const end = tables.length - 2;
  const hasEnd = end >= 2 && tables[end] === 0xff && tables[end + 1] === MARKER.eoi;
  return tables.subarray(2, hasEnd ? end : tables.length);
}

/** A marker segment: from its 0xff to the next one's. */
interface Segment {
  readonly marker: number;
  readonly start: number;
  readonly end: number;
}

/** The segment at `at`. Errors: `CORRUPT_IMAGE` when there is none or it is cut short. */
function segmentAt(bytes: Uint8Array, at: number, what: string): Segment {
  let place = at;
  // Any number of fill bytes may stand before a marker.
  while (bytes[place] === 0xff && bytes[place + 1] === 0xff) place++;
  const marker = bytes[place + 1] ?? 0;
  const end = place + 2 + (((bytes[place + 2] ?? 0) << 8) | (bytes[place + 3] ?? 0));
  if (bytes[place] !== 0xff || marker < MARKER.sof0 || end < place + 4 || end > bytes.length)
    throw corrupt(`${what} is no JPEG stream, or is cut short`);
  return { marker, start: place, end };
}

/** The tables that the segments of `bytes` define: bits 0…3 those for quantisation, 4…7 and 8…11 Huffman tables for DC and AC. */
function tablesIn(bytes: Uint8Array, level: number): number {
  let found = 0;
  for (let at = 0; at < bytes.length; ) {
    const segment = segmentAt(bytes, at, `the JPEG tables of level ${level}`);
    found |= tablesOf(bytes, segment);
    at = segment.end;
  }
  return found;
}

function tablesOf(bytes: Uint8Array, { marker, start, end }: Segment): number {
  let found = 0;
  if (marker === MARKER.dqt) {
    for (let at = start + 4; at < end; at += 1 + ((bytes[at] ?? 0) > 15 ? 128 : 64))
      found |= 1 << ((bytes[at] ?? 0) & 3);
  } else if (marker === MARKER.dht) {
    for (let at = start + 4; at < end; ) {
      const kind = bytes[at] ?? 0;
      found |= 1 << ((kind & 3) + (kind > 15 ? 8 : 4));
      for (let i = 1, from = at; i <= 16; i++) at += bytes[from + i] ?? 0;
      at += 17;
    }
  }
  return found;
}

function finishJpeg(
  front: JpegFront,
  level: Level,
  buffer: Buffer<ArrayBuffer>,
  tile: Buffer<ArrayBuffer>,
): StoredTile | null {
  const what = `a tile of level ${level.index}`;
  if (tile[0] !== 0xff || tile[1] !== MARKER.soi) throw corrupt(`${what} does not start as a JPEG stream does`);
  const dropped: Segment[] = [];
  let own = 0;
  let frame: Segment | null = null;
  for (let at = 2; ; ) {
    const segment = segmentAt(tile, at, what);
    const { marker } = segment;
    if (marker === MARKER.sos) break;
    if (marker === MARKER.app0 || marker === MARKER.app14) dropped.push(segment);
    else if (marker === MARKER.dqt || marker === MARKER.dht) own |= tablesOf(tile, segment);
    else if (isFrame(marker)) frame = segment;
    at = segment.end;
  }
  if (frame === null || frame.end - frame.start < 13) throw corrupt(`${what} has no frame header`);
  // Arithmetic coding, lossless and hierarchical processes are for libvips to decode or refuse.
  if ((tile[frame.start + 1] ?? 0) > MARKER.sof2 || tile[frame.start + 4] !== 8) return null;

  const width = tile.readUInt16BE(frame.start + 7);
  const height = tile.readUInt16BE(frame.start + 5) || Math.min(level.tileHeight, level.height);
  const needsTables = front.tables !== 0 && (own & front.tables) !== front.tables;
  const transform = front.colour === 'ycbcr' && isNamedRgb(tile, frame) ? adobe(1) : null;
  const result = { mediaType: 'image/jpeg', width, height, browserSafe: front.colour !== 'cmyk' } as const;
  if (needsTables === front.tables > 0 && dropped.length === 0 && transform === null) {
    buffer.set(front.bytes);
    return { ...result, bytes: buffer };
  }
  const parts: Uint8Array[] = [front.bytes.subarray(0, front.bare)];
  if (transform !== null) parts.push(transform);
  if (needsTables) parts.push(front.bytes.subarray(front.bare));
  let kept = 2;
  for (const { start, end } of dropped) {
    parts.push(tile.subarray(kept, start));
    kept = end;
  }
  parts.push(tile.subarray(kept));
  return { ...result, bytes: Buffer.concat(parts) };
}

function isFrame(marker: number): boolean {
  return marker >= MARKER.sof0 && marker <= 0xcf && marker !== MARKER.dht && marker !== 0xc8 && marker !== 0xcc;
}

/** Whether the components are called R, G and B, from which decoders guess that they are so. */
function isNamedRgb(tile: Uint8Array, { start, end }: Segment): boolean {
  return end - start >= 19 && tile[start + 10] === 0x52 && tile[start + 13] === 0x47 && tile[start + 16] === 0x42;
}

const RIFF_BYTES = 12;
const VP8X_BYTES = 18;
const VP8X_FLAG = { icc: 0x20, alpha: 0x10 } as const;

/** RIFF header, VP8X and ICCP chunks: an extended WebP file up to its pixels (RFC 9649); sizes and flags follow. */
function webpFront(profile: Uint8Array): Uint8Array {
  const front = Buffer.alloc(RIFF_BYTES + VP8X_BYTES + 8 + profile.length + (profile.length % 2));
  front.write('RIFF\0\0\0\0WEBPVP8X\x0a', 'latin1');
  front.write('ICCP', 30, 'latin1');
  front.writeUInt32LE(profile.length, 34);
  front.set(profile, 38);
  return front;
}

function finishWebp(
  front: WebpFront,
  level: Level,
  buffer: Buffer<ArrayBuffer>,
  tile: Buffer<ArrayBuffer>,
): StoredTile {
  const frame = webpFrame(tile);
  if (frame === null) throw corrupt(`a tile of level ${level.index} does not start as a WebP file does`);
  const { width, height } = frame;
  const result = { mediaType: 'image/webp', width, height, browserSafe: true } as const;
  if (front.bytes.length === 0) return { ...result, bytes: buffer };
  // An extended file has a VP8X chunk already: ours takes its place.
  const end = Math.min(tile.length, RIFF_BYTES - 4 + tile.readUInt32LE(4));
  const at = front.bytes.length - front.overlap;
  const bytes = frame.isExtended
    ? Buffer.concat([front.bytes, tile.subarray(RIFF_BYTES + VP8X_BYTES, end)])
    : buffer.subarray(0, at + end);
  const alpha = frame.hasAlpha ? VP8X_FLAG.alpha : 0;
  bytes.set(front.bytes);
  bytes[20] = VP8X_FLAG.icc | alpha;
  bytes.writeUIntLE(width - 1, 24, 3);
  bytes.writeUIntLE(height - 1, 27, 3);
  bytes.writeUInt32LE(bytes.length - 8, 4);
  return { ...result, bytes };
}

interface WebpFrame {
  readonly width: number;
  readonly height: number;
  readonly hasAlpha: boolean;
  readonly isExtended: boolean;
}

/** What the first chunk of a WebP file says (RFC 9649); null when it is none. */
function webpFrame(tile: Buffer): WebpFrame | null {
  if (tile.length < RIFF_BYTES + VP8X_BYTES || tile.toString('latin1', 0, 4) !== 'RIFF') return null;
  switch (tile.toString('latin1', 8, 16)) {
    case 'WEBPVP8 ':
      return {
        width: tile.readUInt16LE(26) & 0x3fff,
        height: tile.readUInt16LE(28) & 0x3fff,
        hasAlpha: false,
        isExtended: false,
      };
    case 'WEBPVP8L': {
      const bits = tile.readUInt32LE(21);
      return {
        width: 1 + (bits & 0x3fff),
        height: 1 + ((bits >>> 14) & 0x3fff),
        hasAlpha: ((bits >>> 28) & 1) === 1,
        isExtended: false,
      };
    }
    case 'WEBPVP8X':
      return {
        width: 1 + tile.readUIntLE(24, 3),
        height: 1 + tile.readUIntLE(27, 3),
        hasAlpha: ((tile[20] ?? 0) & VP8X_FLAG.alpha) !== 0,
        isExtended: true,
      };
    default:
      return null;
  }
}

function corrupt(message: string): PyramidionError {
  return new PyramidionError('CORRUPT_IMAGE', message);
}
