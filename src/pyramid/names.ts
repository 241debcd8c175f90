/** Readable names of TIFF's numbers. */

const COMPRESSIONS: Readonly<Record<number, string>> = {
  1: 'none',
  2: 'ccitt-rle',
  3: 'ccitt-g3',
  4: 'ccitt-g4',
  5: 'lzw',
  6: 'old-jpeg',
  7: 'jpeg',
  8: 'deflate',
  32773: 'packbits',
  32809: 'thunderscan',
  32946: 'deflate',
  33003: 'jpeg2000',
  33005: 'jpeg2000',
  34676: 'sgilog',
  34677: 'sgilog24',
  34712: 'jpeg2000',
  34887: 'lerc',
  34925: 'lzma',
  50000: 'zstd',
  50001: 'webp',
  50002: 'jpegxl',
};

const PHOTOMETRICS: Readonly<Record<number, string>> = {
  0: 'white-is-zero',
  1: 'black-is-zero',
  2: 'rgb',
  3: 'palette',
  4: 'mask',
  5: 'cmyk',
  6: 'ycbcr',
  8: 'lab',
  9: 'icc-lab',
  10: 'itu-lab',
  32803: 'cfa',
  32844: 'logl',
  32845: 'logluv',
};

/** Name of a TIFF Compression value; `other-<n>` where it has none here. */
export function compressionName(value: number): string {
  return COMPRESSIONS[value] ?? `other-${value}`;
}

/** Name of a TIFF PhotometricInterpretation value; `other-<n>` where it has none here. */
export function photometricName(value: number): string {
  return PHOTOMETRICS[value] ?? `other-${value}`;
}

/** YCbCrSubSampling as `4:2:0` and the like; `<h>x<v>` for factors that have no such name. */
export function subsamplingName(horizontal: number, vertical: number): string {
  const names: Readonly<Record<string, string>> = {
    '1x1': '4:4:4',
    '1x2': '4:4:0',
    '2x1': '4:2:2',
    '2x2': '4:2:0',
    '4x1': '4:1:1',
    '4x2': '4:1:0',
  };
  const factors = `${horizontal}x${vertical}`;
  return names[factors] ?? factors;
}
