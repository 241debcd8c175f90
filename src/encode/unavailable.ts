/** Formats the protocol names and the base has no encoder for. */

/** Their names, without `-alpha`. */
export const UNAVAILABLE: readonly string[] = [
  'jpeg2000',
  'jp2',
  'jpegxr',
  'heic',
  'pdf',
  'eps',
  'swf',
  'swf3',
  'f4m',
  'm3u8',
];
