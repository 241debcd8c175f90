/** The worked values of the protocol (§5.3) over HTTP: sizes, and where the image lies, read from the pixels. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cellsPng, decode, markdown, misplaced, type Placement, type Served, serve } from './support.js';

let server: Served;
beforeAll(async () => {
  const cells = await cellsPng();
  server = await serve({ images: { 'plain.png': cells }, pyramids: { 'cells.tif': cells } });
});
afterAll(() => server?.close());

interface Row extends Placement {
  readonly query: string;
  readonly size: readonly [width: number, height: number];
}

const row = (query: string, size: Row['size'], scale: number | Row['scale'], corner: Row['corner'] = [0, 0]): Row => ({
  query,
  size,
  scale: typeof scale === 'number' ? [scale, scale] : scale,
  corner,
});

/** A composite of 1000 × 600 pixels, `DefaultPix=300,300`. */
const ROWS: readonly Row[] = [
  row('', [300, 180], 0.3),
  row('wid=200', [200, 120], 0.2),
  row('wid=200&hei=200', [200, 200], 0.2, [0, 40]),
  row('wid=200&hei=200&align=0,-1', [200, 200], 0.2),
  row('wid=200&hei=200&fit=constrain', [200, 120], 0.2),
  row('wid=200&hei=200&fit=crop', [200, 200], 1 / 3, [-67, 0]),
  row('wid=200&hei=200&fit=wrap', [333, 200], 1 / 3),
  row('wid=200&hei=200&fit=stretch', [200, 200], [0.2, 1 / 3]),
  row('scl=4', [250, 150], 0.25),
  row('scl=4&wid=100&hei=100', [100, 100], 0.25, [-75, -25]),
  row('wid=2000', [1000, 600], 1),
  row('wid=2000&fit=fit,1', [2000, 1200], 2),
  row('wid=2000&hei=2000', [2000, 2000], 1, [500, 700]),
  row('rgn=100,100,400,400&wid=200', [200, 200], 0.5, [-50, -50]),
  row('wid=1000&rect=0,0,256,256', [256, 256], 1),
  row('wid=1000&rect=0,0,256,256,0.5', [256, 256], 0.5),
];

test.each(['cells.tif', 'plain.png'])('worked values of %s', async (image) => {
  const table: string[][] = [];
  for (const { query, size, ...placement } of ROWS) {
    const target = `/is/image/${image}?${query === '' ? '' : `${query}&`}fmt=png`;
    const { status, headers, body } = await server.ask(target);
    expect({ target, status, type: headers['content-type'] }).toEqual({ target, status: 200, type: 'image/png' });
    const pixels = await decode(body);
    expect({ target, size: [pixels.width, pixels.height] }).toEqual({ target, size });
    expect({ target, misplaced: misplaced(pixels, placement) }).toEqual({ target, misplaced: [] });
    const [sx, sy] = placement.scale.map((scale) => Math.round(scale * 1000) / 1000);
    table.push([
      `\`${query || '–'}\``,
      size.join('×'),
      `scale ${sx === sy ? sx : `${sx}, ${sy}`}, corner at ${placement.corner.join(', ')}`,
    ]);
  }
  if (image === 'cells.tif')
    console.log(markdown(['Query (composite 1000×600)', 'Reply', 'Image, read from the pixels'], table));
});

test('a placement that is off by a pixel would be seen', async () => {
  const pixels = await decode((await server.ask('/is/image/cells.tif?wid=200&hei=200&fit=crop&fmt=png')).body);
  expect(misplaced(pixels, { scale: [1 / 3, 1 / 3], corner: [-65, 0] })).not.toEqual([]);
  expect(misplaced(pixels, { scale: [0.345, 1 / 3], corner: [-67, 0] })).not.toEqual([]);
});
