/** A JPEG with every kind of metadata a camera and a picture editor leave. */
import sharp from 'sharp';
import { makePixels } from './sources.js';

export const TITLE = 'Rings & discs — señal';
export const CAPTION = 'A picture made by code';
export const CITY = 'Bruges';

export const XMP = `<?xpacket begin="\uFEFF" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/"
 tiff:Orientation="6"><dc:title><rdf:Alt><rdf:li xml:lang="x-default">${TITLE.replace('&', '&amp;')}</rdf:li></rdf:Alt></dc:title>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>`;

/** 601×433 as stored, turned by orientation 6, 300 pixels an inch, Display P3. */
export async function annotatedJpeg(): Promise<Buffer> {
  const { width, height, data } = makePixels({ width: 601, height: 433, space: 'rgb', bits: 8, alpha: false });
  const jpeg = await sharp(data, { raw: { width, height, channels: 3 } })
    .withMetadata({ orientation: 6, density: 300 })
    .withIccProfile('p3')
    .withExifMerge({
      IFD0: { Artist: 'Ada L.', Copyright: 'CC0', Make: 'Pyramidion', Model: 'Test 1' },
      IFD2: { ExposureTime: '1/250', FNumber: '28/10', DateTimeOriginal: '2024:05:17 10:20:30' },
      IFD3: {
        GPSLatitudeRef: 'N',
        GPSLatitude: '51/1 12/1 3042/100',
        GPSLongitudeRef: 'E',
        GPSLongitude: '3/1 13/1 30/1',
      },
    })
    .withXmp(XMP)
    .jpeg({ quality: 95 })
    .toBuffer();
  // After the start-of-image marker: sharp writes no Photoshop segment.
  return Buffer.concat([jpeg.subarray(0, 2), photoshopSegment(iptc()), jpeg.subarray(2)]);
}

/** IPTC IIM: UTF-8 declared, a caption and a city. */
function iptc(): Buffer {
  const dataset = (record: number, number: number, value: Buffer): Buffer => {
    const head = Buffer.from([0x1c, record, number, 0, 0]);
    head.writeUInt16BE(value.length, 3);
    return Buffer.concat([head, value]);
  };
  return Buffer.concat([
    dataset(1, 90, Buffer.from('\x1b%G', 'latin1')),
    dataset(2, 0, Buffer.from([0, 4])),
    dataset(2, 90, Buffer.from(CITY)),
    dataset(2, 120, Buffer.from(CAPTION)),
  ]);
}

/** An APP13 segment of one image resource: IPTC. */
function photoshopSegment(record: Buffer): Buffer {
  const resource = Buffer.concat([
    Buffer.from('8BIM\x04\x04\0\0\0\0\0\0', 'latin1'),
    record,
    Buffer.alloc(record.length % 2),
  ]);
  resource.writeUInt32BE(record.length, 8);
  const segment = Buffer.concat([Buffer.from([0xff, 0xed, 0, 0]), Buffer.from('Photoshop 3.0\0', 'latin1'), resource]);
  segment.writeUInt16BE(segment.length - 2, 2);
  return segment;
}
