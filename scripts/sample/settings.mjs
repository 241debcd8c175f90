/** Where things of the sample library are, and what it is set to. */

/** Its assets, below its root. */
export const SAMPLES = 'content/dam/sample';

/** Its settings. */
export const SETTINGS = 'conf/global/settings/dam/dm';

/** Image presets, called as `?$name$`. */
export const PRESETS = {
  thumb: 'wid=160&hei=160&fit=crop&qlt=80&op_usm=0.6,0.4,2,0',
  card: 'wid=480&hei=320&fit=crop&qlt=82',
  web: 'wid=1200&fmt=webp&qlt=80',
  zoom: 'wid=2000&hei=2000&fit=constrain&qlt=90',
  sharp: 'wid=800&resMode=bisharp&op_usm=1,0.7,3,0',
  print: 'wid=2000&fmt=tif,rgb,lzw&printRes=300',
  cutout: 'wid=600&fmt=png-alpha',
};

/** What differs from the server's own defaults. */
export const MANIFEST = { jpegquality: '85', defaultpix: '800,800', expiration: '3600000' };
