/** Profiles for tests, made by code: those with tables, which our writer does not write. */
import { INTENTS, type Intent } from '../../src/colour/parse.js';

/** What a profile of tables is to be. Without ways it has no tables at all. */
export interface TableProfile {
  readonly space?: 'CMYK' | 'RGB ' | 'GRAY' | 'Lab ' | '6CLR';
  readonly deviceClass?: string;
  readonly description?: string;
  readonly intent?: Intent;
  readonly read?: readonly Intent[];
  readonly write?: readonly Intent[];
  readonly version?: number;
}

const CHANNELS: Readonly<Record<string, number>> = { CMYK: 4, 'RGB ': 3, GRAY: 1, 'Lab ': 3, '6CLR': 6 };

/** A profile of lut8 tables: two grid points a channel, straight curves, the colours in no sensible order. */
export function tableProfile(options: TableProfile = {}): Uint8Array {
  const all: readonly Intent[] = ['perceptual', 'relative', 'saturation'];
  const { space = 'CMYK', deviceClass = 'prtr', description = 'A press', intent = 'perceptual' } = options;
  const { read = all, write = all, version = 0x02100000 } = options;
  const channels = CHANNELS[space] ?? 3;
  const text = Buffer.from(`${description}\0`, 'latin1');
  const elements: [string, Buffer][] = [
    ['desc', Buffer.concat([Buffer.from('desc\0\0\0\0', 'latin1'), uint32(text.length), text, Buffer.alloc(78)])],
    ['wtpt', Buffer.concat([Buffer.from('XYZ \0\0\0\0', 'latin1'), ...[0xf6d6, 0x10000, 0xd32d].map(uint32)])],
    ...read.map((way): [string, Buffer] => [`A2B${INTENTS.indexOf(way)}`, lut8(channels, 3)]),
    ...write.map((way): [string, Buffer] => [`B2A${INTENTS.indexOf(way)}`, lut8(3, channels)]),
  ];
  const head = Buffer.alloc(128);
  head.writeUInt32BE(version, 8);
  head.write(`${deviceClass}${space}Lab `, 12, 'latin1');
  head.write('acsp', 36, 'latin1');
  head.writeUInt32BE(INTENTS.indexOf(intent), 64);
  const table: Buffer[] = [uint32(elements.length)];
  let at = 132 + 12 * elements.length;
  const data = elements.map(([tag, element]) => {
    table.push(Buffer.from(tag, 'latin1'), uint32(at), uint32(element.length));
    const padded = Buffer.concat([element, Buffer.alloc(-element.length & 3)]);
    at += padded.length;
    return padded;
  });
  head.writeUInt32BE(at, 0);
  return Uint8Array.from(Buffer.concat([head, ...table, ...data]));
}

function lut8(from: number, to: number): Buffer {
  const head = Buffer.alloc(48);
  head.write('mft1', 'latin1');
  head.set([from, to, 2], 8);
  [1, 0, 0, 0, 1, 0, 0, 0, 1].forEach((value, index) => {
    head.writeInt32BE(value * 65536, 12 + 4 * index);
  });
  const straight = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  const grid = Buffer.from(Array.from({ length: 2 ** from * to }, (_, i) => (i * 37) % 256));
  return Buffer.concat([head, ...Array(from).fill(straight), grid, ...Array(to).fill(straight)]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Where an element of a profile lies; throws when there is none. */
export function elementAt(profile: Uint8Array, tag: string): { offset: number; length: number } {
  const bytes = Buffer.from(profile.buffer, profile.byteOffset, profile.byteLength);
  for (let index = 0; index < bytes.readUInt32BE(128); index++) {
    const at = 132 + 12 * index;
    if (bytes.toString('latin1', at, at + 4) === tag) {
      return { offset: bytes.readUInt32BE(at + 4), length: bytes.readUInt32BE(at + 8) };
    }
  }
  throw new Error(`there is no ${tag}`);
}
