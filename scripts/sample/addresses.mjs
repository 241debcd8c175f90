/** What to try with the sample library: addresses that show a thing each. */

import { SAMPLES } from './settings.mjs';

/** @typedef {{ title: string, addresses: readonly [path: string, tells: string][] }} Group */

const FOLDER = `/is/image/${SAMPLES}`;

/** @type {readonly Group[]} */
export const groups = [
  {
    title: 'Look around',
    addresses: [
      ['/viewer/', 'all images'],
      [`/viewer/${SAMPLES}/Julia.tif`, '100 megapixels to zoom into, and an inspector'],
    ],
  },
  {
    title: 'Sizes and parts',
    addresses: [
      [`${FOLDER}/Julia.tif`, 'the default size'],
      [`${FOLDER}/Julia.tif?wid=1600`, 'a width'],
      [`${FOLDER}/Julia.tif?wid=600&hei=600&fit=crop`, 'a square, filled'],
      [`${FOLDER}/Julia.tif?rgn=3800,3000,1600,1000&wid=1200`, 'a region'],
      [`${FOLDER}/Julia.tif?scl=4&rect=1024,768,256,256`, 'a stored tile, as it is'],
    ],
  },
  {
    title: 'Formats and colours',
    addresses: [
      [`${FOLDER}/Julia.tif?wid=1200&fmt=avif&qlt=60`, 'AVIF'],
      [`${FOLDER}/Rosette.tif?wid=600&fmt=webp-alpha`, 'WebP with transparency'],
      [`${FOLDER}/Rosette.tif?wid=600&rotate=15&bgc=1b2a41`, 'turned, over a colour'],
      [`${FOLDER}/Press-Sheet.tif?wid=900`, 'CMYK, for the screen'],
      [`${FOLDER}/Moon.tif?wid=900&op_usm=1.5,1,0,0`, '16-bit gray, sharpened'],
    ],
  },
  {
    title: 'Presets and thumbnails',
    addresses: [
      [`${FOLDER}/Julia.tif?$web$`, 'a preset'],
      [`${FOLDER}/Moon.tif?$card$&wid=900&hei=300`, 'a preset, partly overridden'],
      [`${FOLDER}/Test-Chart.tif?req=tmb&wid=200&hei=200`, 'a thumbnail'],
    ],
  },
  {
    title: 'Facts',
    addresses: [
      [`${FOLDER}/Julia.tif?req=imageprops`, 'the image'],
      [`${FOLDER}/Julia.tif?wid=1200&req=props,json`, 'a reply, as JSONP'],
      [`${FOLDER}/Julia.tif?req=exists`, 'whether there is one'],
      [`${FOLDER}/Julia.tif?req=userdata`, 'what its record says'],
      ['/healthz', 'health'],
      ['/metrics', 'metrics for Prometheus'],
    ],
  },
];
