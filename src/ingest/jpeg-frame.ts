/** Reads the headers of a JPEG file up to its first scan: what libvips does not tell of them. */
import type { RangeReader } from '../source/types.js';

/** Bytes read at a time. */
const WINDOW_BYTES = 1 << 16;
/** Headers longer than this are not followed: an ICC profile and XMP of some megabytes fit. */
const MAX_HEADER_BYTES = 64 << 20;
/** Most bytes of Photoshop resources that are put together. */
const MAX_PHOTOSHOP_BYTES = 16 << 20;
const PHOTOSHOP_PREFIX = 'Photoshop 3.0\0';

/** One colour component: its sampling factors. */
export interface JpegComponent {
  readonly horizontal: number;
  readonly vertical: number;
}

/** What the headers say. */
export interface JpegFrame {
  readonly width: number;
  /** As the frame header has it: 0 when a later marker defines it. */
  readonly height: number;
  readonly precision: number;
  readonly components: readonly JpegComponent[];
  /** Progressive, or any other split into several scans: the decoder holds all coefficients. */
  readonly multiScan: boolean;
  /** The Photoshop resource block of the APP13 segments, put together; null when there is none. */
  readonly photoshop: Uint8Array | null;
}

/** Reads the frame of a JPEG source; null when the headers cannot be followed (the decoder will say what is wrong). */
export async function readJpegFrame(read: RangeReader, size: number): Promise<JpegFrame | null> {
  const bytes = new HeaderBytes(read);
  const photoshop: Uint8Array[] = [];
  let photoshopBytes = 0;
  let frame: {
    width: number;
    height: number;
    precision: number;
    progressive: boolean;
    components: JpegComponent[];
  } | null = null;
  let at = 2;
  while (at + 4 <= size && at < MAX_HEADER_BYTES) {
    const head = await bytes.at(at, 4);
    if (head === null || head[0] !== 0xff) return null;
    const marker = head[1] ?? 0;
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) {
      at += 2;
      continue;
    }
    const length = ((head[2] ?? 0) << 8) | (head[3] ?? 0);
    if (length < 2) return null;
    if (isFrameMarker(marker) && frame === null) {
      const data = await bytes.at(at + 4, length - 2);
      frame = data === null ? null : parseFrame(data, marker);
      if (frame === null) return null;
    } else if (marker === 0xed && photoshopBytes + length <= MAX_PHOTOSHOP_BYTES) {
      const data = await bytes.at(at + 4, length - 2);
      if (
        data !== null &&
        Buffer.from(data.subarray(0, PHOTOSHOP_PREFIX.length)).toString('latin1') === PHOTOSHOP_PREFIX
      ) {
        photoshop.push(data.slice(PHOTOSHOP_PREFIX.length));
        photoshopBytes += length;
      }
    } else if (marker === 0xda) {
      const inScan = (await bytes.at(at + 4, 1))?.[0] ?? 0;
      if (frame === null) return null;
      const { progressive, ...rest } = frame;
      const multiScan = progressive || inScan < frame.components.length;
      return { ...rest, multiScan, photoshop: photoshop.length === 0 ? null : Buffer.concat(photoshop) };
    } else if (marker === 0xd9) {
      return null;
    }
    at += 2 + length;
  }
  return null;
}

/**
 * The customary name of a sampling (`4:2:0` …), null for gray, and the factors themselves (`2x2,1x2,1x2`) where there is
 * no name.
 */
export function chromaName(components: readonly JpegComponent[]): string | null {
  const [luma, blue, red] = components;
  if (luma === undefined || blue === undefined || red === undefined) return null;
  const across = luma.horizontal / blue.horizontal;
  const down = luma.vertical / blue.vertical;
  const names: Readonly<Record<string, string>> = {
    '1x1': '4:4:4',
    '2x1': '4:2:2',
    '2x2': '4:2:0',
    '1x2': '4:4:0',
    '4x1': '4:1:1',
    '4x2': '4:1:0',
  };
  const isRegular = blue.horizontal === red.horizontal && blue.vertical === red.vertical;
  const name = isRegular ? names[`${across}x${down}`] : undefined;
  return name ?? components.map(({ horizontal, vertical }) => `${horizontal}x${vertical}`).join(',');
}

/** SOF0…SOF15 without DHT, JPG and DAC, which lie among them. */
function isFrameMarker(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

function parseFrame(data: Uint8Array, marker: number) {
  const [precision = 0, high = 0, low = 0, wide = 0, narrow = 0, count = 0] = data;
  if (count === 0 || data.length < 6 + 3 * count) return null;
  const components = Array.from({ length: count }, (_, index) => {
    const factors = data[7 + 3 * index] ?? 0;
    return { horizontal: factors >> 4, vertical: factors & 15 };
  });
  if (components.some(({ horizontal, vertical }) => horizontal < 1 || horizontal > 4 || vertical < 1 || vertical > 4))
    return null;
  const progressive = (marker & 3) === 2;
  return { width: (wide << 8) | narrow, height: (high << 8) | low, precision, progressive, components };
}

/** Header bytes through one window, so that a file with many small segments is not read in many small pieces. */
class HeaderBytes {
  readonly #read: RangeReader;
  #start = 0;
  #window: Uint8Array = new Uint8Array(0);

  constructor(read: RangeReader) {
    this.#read = read;
  }

  async at(offset: number, length: number): Promise<Uint8Array | null> {
    if (offset < this.#start || offset + length > this.#start + this.#window.length) {
      this.#start = offset;
      this.#window = await this.#read(offset, Math.max(length, WINDOW_BYTES));
    }
    const from = offset - this.#start;
    return from + length <= this.#window.length ? this.#window.subarray(from, from + length) : null;
  }
}
