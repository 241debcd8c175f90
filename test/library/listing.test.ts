import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { listImages } from '../../src/library/listing.js';
import { makeFolder } from './support.js';

const RENDITION = 'renditions/cqdam.pyramid.tiff';

it('lists plain images and folders of renditions of all roots, as they are asked for', async () => {
  const first = await makeFolder({
    ...{ 'b.TIF': '', 'a/c.png': '', 'a/text.txt': '', '.hidden/d.png': '', 'a/.e.png': '' },
    ...{ [`dam/f.jpg/${RENDITION}`]: '', [`dam/g.jpg/jcr:content/${RENDITION}`]: '' },
  });
  const second = await makeFolder({ 'b.TIF': '', 'h.webp': '' });
  await symlink(first, join(first, 'round'));
  const roots = [first, 'https://dam.example/', second, join(first, 'missing')];
  const paths = ['a/c.png', 'b.TIF', 'dam/f.jpg', 'dam/g.jpg', 'h.webp'];
  expect(await listImages(roots, 100)).toEqual({ paths, isCut: false });
  expect(await listImages(roots, 5)).toEqual({ paths, isCut: false });
  expect(await listImages(roots, 2)).toEqual({ paths: paths.slice(0, 2), isCut: true });
});
