/** An sRGB profile made from the numbers of IEC 61966-2-1, for results of which we know that they are sRGB. */

/** Colorants adapted to D50 by Bradford, as s15Fixed16: they sum to the PCS white exactly (colour-management §6.2). */
const COLORANTS = {
  rXYZ: [0x6fa0, 0x38f5, 0x0390],
  gXYZ: [0x6297, 0xb787, 0x18d9],
  bXYZ: [0x249f, 0x0f84, 0xb6c4],
} as const;
/** D65 as XYZ, unadapted: what the `wtpt` of a version 2 display profile holds. */
const WHITE = [0.95045, 1, 1.08905].map((value) => Math.round(value * 65536));
const CURVE_SAMPLES = 4096;
const DESCRIPTION = 'sRGB IEC61966-2.1';

let made: Uint8Array | null = null;

/** The profile: version 2.1, matrix and curve, the same bytes every time. Do not change them. */
export function srgbProfile(): Uint8Array {
  made ??= makeProfile();
  return made;
}

function makeProfile(): Uint8Array {
  const xyz = (values: readonly number[]): Buffer => Buffer.concat([type('XYZ '), ...values.map(uint32)]);
  const curve = Buffer.alloc(12 + 2 * CURVE_SAMPLES);
  curve.write('curv', 'latin1');
  curve.writeUInt32BE(CURVE_SAMPLES, 8);
  for (let index = 0; index < CURVE_SAMPLES; index++) {
    const value = index / (CURVE_SAMPLES - 1);
    const linear = value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    curve.writeUInt16BE(Math.round(linear * 65535), 12 + 2 * index);
  }
  const text = Buffer.from(`${DESCRIPTION}\0`, 'latin1');
  // textDescriptionType: ASCII, then empty Unicode and ScriptCode parts.
  const description = Buffer.concat([type('desc'), uint32(text.length), text, Buffer.alloc(8 + 3 + 67)]);
  const copyright = Buffer.concat([type('text'), Buffer.from('No copyright, use freely\0', 'latin1')]);
  const elements: readonly (readonly [readonly string[], Buffer])[] = [
    [['desc'], description],
    [['cprt'], copyright],
    [['wtpt'], xyz(WHITE)],
    [['rXYZ'], xyz(COLORANTS.rXYZ)],
    [['gXYZ'], xyz(COLORANTS.gXYZ)],
    [['bXYZ'], xyz(COLORANTS.bXYZ)],
    [['rTRC', 'gTRC', 'bTRC'], curve],
  ];

  const count = elements.reduce((sum, [names]) => sum + names.length, 0);
  const table: Buffer[] = [uint32(count)];
  const data: Buffer[] = [];
  let at = 128 + 4 + 12 * count;
  for (const [names, element] of elements) {
    for (const name of names) table.push(Buffer.from(name, 'latin1'), uint32(at), uint32(element.length));
    const padded = Buffer.concat([element, Buffer.alloc(-element.length & 3)]);
    data.push(padded);
    at += padded.length;
  }
  return Uint8Array.from(Buffer.concat([header(at), ...table, ...data]));
}

function header(size: number): Buffer {
  const head = Buffer.alloc(128);
  head.writeUInt32BE(size, 0);
  head.writeUInt32BE(0x02100000, 8);
  head.write('mntrRGB XYZ ', 12, 'latin1');
  [2025, 1, 1, 0, 0, 0].forEach((value, index) => {
    head.writeUInt16BE(value, 24 + 2 * index);
  });
  head.write('acsp', 36, 'latin1');
  [0xf6d6, 0x10000, 0xd32d].forEach((value, index) => {
    head.writeUInt32BE(value, 68 + 4 * index);
  });
  return head;
}

function type(name: string): Buffer {
  return Buffer.concat([Buffer.from(name, 'latin1'), Buffer.alloc(4)]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
