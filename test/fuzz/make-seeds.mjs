// Makes the good inputs that fuzzing starts from, in test/fuzz/seeds: node test/fuzz/make-seeds.mjs
// They are committed, since codecs change and with them every input that follows from a seed.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { deflateRawSync } from 'node:zlib';
import sharp from 'sharp';
import { stringify } from 'yaml';
import { encodeLabelFile } from '../../dist/data/label-file.js';
import { journalLine } from '../../dist/features/journal.js';
import { encodeNpy } from '../../dist/report/npy.js';
import { sha256 } from '../../dist/settings-digest.js';
import { resolveConfig } from '../../dist/train/config.js';
import { startPosition } from '../../dist/train/run-position.js';
import { networkSeeds } from './network-seeds.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const fixture = (path) => readFileSync(here(`../fixtures/${path}`));

function seed(path, content) {
  const file = here(`seeds/${path}`);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
}
const json = (path, value) => seed(path, JSON.stringify(value));

rmSync(here('seeds'), { recursive: true, force: true });

// Tables and lists.
seed('manifest/plain', 'image,id,city\r\na.jpg,1,Pune\r\n"b, c.jpg",2,"New ""Delhi"""\r\n');
seed('manifest/spreadsheet', '\ufeffimage;lat;lon\n a.png;18,5;73,8\n\n;;\n');
seed('manifest/utf16', Buffer.from('\ufeffimage\tid\r\nü.png\t1\r\n', 'utf16le'));
seed('table-csv/table', 'id,image,width,road,count\r\na,a.jpg,640,12.5,3\r\nb,,,,0\r\n');
const qualityHeader = [
  'id',
  'image',
  'flags',
  'duplicate_of',
  'left_out',
  'width',
  'height',
  'transparent_percent',
  'uniform_percent',
  'content',
  'notes',
];
seed(
  'quality/list',
  `${qualityHeader.join('\t')}\r\na\ta.jpg\tdark\t\tyes\t640\t480\t0\t0.5\tabc\t\r\nb\tb.jpg\t\ta\t\t640\t480\t0\t0.5\tabc\ta note\r\n`,
);
seed('lists/tabs', 'images/a.png\tlabels/a.png\nimages/b b.png\tlabels/b.png\n');
seed('lists/spaces', '# a comment\r\nimages/a.jpg labels/a_polygons.json\r\n');

// Settings and runs.
const config = resolveConfig({ model: 'm.pt', data: 'data', out: 'run' });
const chosen = { model: 'm.pt', data: 'data', out: 'run', epochs: 5, lr: 1e-3, classes: 'idd26' };
seed('settings-yaml/plain', stringify(chosen));
seed('settings-yaml/saved', `# a comment\n${stringify({ package: '0.1.0', command: 'train', config })}`);
seed(
  'settings-yaml/aliases',
  'model: &m m.pt\ndata: *m\nout: {a: [1, 2.5, .inf], "b": "\\x41"}\nlong: |\n  two\n  lines\n',
);
json('settings-json/plain', chosen);
json('settings-json/saved', { package: '0.1.0', command: 'train', config });
json('run-description/run', {
  package: '0.1.0',
  config,
  modelId: 'a'.repeat(64),
  data: { train: 4, val: 2, digest: 'b'.repeat(64) },
});
const best = { epoch: 3, mIoU: 0.5 };
json('run-position/heads', {
  ...startPosition(1, 2),
  heads: [{ lossSum: 1.5, best, lastMIoU: 0.4, outcome: 'stopped' }],
});
json('run-position/earlier', {
  epoch: 2,
  batch: 0,
  images: 0,
  seconds: 1.5,
  seed: 1,
  lossSum: 0,
  best,
  finished: false,
});
json('run-position/sweep', {
  epoch: 2,
  batch: 0,
  images: 0,
  seconds: 1.5,
  seed: 1,
  lossSums: [0, 1],
  rows: [{ best, lastMIoU: null, outcome: 'lost' }],
  finished: true,
});

// Classes, maps and polygons.
json('class-file/classes', {
  name: 'mine',
  classes: [{ name: 'road', color: [128, 64, 128] }, { name: 'sky', color: '#4682b4' }, { name: 'other' }],
  mapping: { 7: 'road', 23: 1, 0: 2 },
  ignore: [4, 5],
  ignoreIndex: 255,
  polygons: { cargroup: 'road', tunnel: null },
});
for (const name of ['ade26', 'idd26-hybrid'])
  seed(`feature-map/${name}`, readFileSync(here(`../../maps/${name}.json`)));
json('class-map/map', { road: ['road', 'sidewalk'], sky: ['sky'] });
json('polygons/idd', {
  imgHeight: 40,
  imgWidth: 60,
  objects: [
    {
      label: 'road',
      polygon: [
        [0, 20],
        [59, 20.5],
        [59, 39],
        [0, 39],
      ],
      deleted: 0,
      id: 1,
      user: 'a',
      date: '',
    },
    {
      label: 'cargroup',
      polygon: [
        [10, 10],
        [20, 10],
        [20, 25],
      ],
      deleted: 1,
    },
    {
      label: 'unknown',
      polygon: [
        [1, 1],
        [2, 2],
      ],
    },
  ],
});

// Pictures.
const pixels = Uint8Array.from({ length: 12 * 9 * 3 }, (_, i) => (i * 37) % 256);
const picture = () => sharp(pixels, { raw: { width: 12, height: 9, channels: 3 } });
const pngs = {
  rgb: await picture().png().toBuffer(),
  palette: await picture().png({ palette: true, colours: 8 }).toBuffer(),
  grey16: await picture().greyscale().toColourspace('grey16').png().toBuffer(),
  alpha: await picture().ensureAlpha(0.5).png().toBuffer(),
};
const jpegs = {
  baseline: await picture().jpeg().toBuffer(),
  progressive: await picture().jpeg({ progressive: true }).toBuffer(),
  exif: await picture()
    .withExif({
      IFD3: {
        GPSLatitude: '18/1 31/1 12/1',
        GPSLatitudeRef: 'N',
        GPSLongitude: '73/1 51/1 0/1',
        GPSLongitudeRef: 'E',
      },
    })
    .jpeg()
    .toBuffer(),
};
const rows = new Uint8Array(6 * 5);
const label = await encodeLabelFile({ rows, width: 4, height: 6 }, 'IDD level 3, a note');
for (const [name, bytes] of Object.entries(pngs)) {
  seed(`png-label/${name}`, bytes);
  seed(`image/png-${name}`, bytes);
}
seed('png-label/note', label);
for (const [name, bytes] of Object.entries(jpegs)) {
  seed(`jpeg-structure/${name}`, bytes);
  seed(`image/jpeg-${name}`, bytes);
}
seed('gps/exif', jpegs.exif);
seed('image/webp', await picture().webp().toBuffer());
seed('image/tiff', await picture().tiff().toBuffer());
seed('image/gif', await picture().gif().toBuffer());
for (const name of ['png-rgb', 'jpeg-baseline', 'webp', 'tiff', 'gif'])
  seed(`image-kind/${name}`, readFileSync(here(`seeds/image/${name}`)).subarray(0, 64));
seed('image-kind/svg', '<?xml version="1.0"?><svg width="1" height="1"/>');
seed('image-kind/avif', Buffer.from('\0\0\0\x1cftypavif\0\0\0\0mif1avifmiaf', 'latin1'));

/** A BMP of 5×3 pixels. */
function bmp(bits, compression, pixelBytes, { masks = [], colours = 0, size = 40 } = {}) {
  const header = Buffer.alloc(14 + size + 4 * masks.length);
  const palette = Buffer.from(Array.from({ length: 4 * colours }, (_, i) => (i * 31) % 256));
  header.write('BM');
  header.writeUInt32LE(header.length + palette.length, 10);
  header.writeUInt32LE(size, 14);
  header.writeInt32LE(5, 18);
  header.writeInt32LE(3, 22);
  header.writeUInt16LE(bits, 28);
  header.writeUInt32LE(compression, 30);
  header.writeUInt32LE(colours, 46);
  masks.forEach((mask, i) => header.writeUInt32LE(mask, 14 + 40 + 4 * i));
  return Buffer.concat([header, palette, Buffer.from(pixelBytes)]);
}
const bytes = (count) => Array.from({ length: count }, (_, i) => (i * 53) % 256);
seed('bmp/true-colour', bmp(24, 0, bytes(48)));
seed('bmp/indices', bmp(8, 0, bytes(24), { colours: 256 }));
seed('bmp/two-colours', bmp(1, 0, bytes(12), { colours: 2 }));
seed('bmp/runs-8', bmp(8, 1, [3, 1, 2, 0, 0, 0, 0, 3, 1, 2, 3, 0, 0, 2, 1, 0, 1, 2, 0, 1], { colours: 8 }));
seed('bmp/runs-4', bmp(4, 2, [5, 0x12, 0, 0, 0, 5, 0x12, 0x34, 0x50, 0, 0, 0, 5, 1, 0, 1], { colours: 16 }));
seed('bmp/masks', bmp(16, 3, bytes(36), { masks: [0xf800, 0x7e0, 0x1f] }));
seed('bmp/alpha', bmp(32, 6, bytes(60), { masks: [0xff0000, 0xff00, 0xff, 0xff000000] }));

// Caches, tables and predictions that a process left. Their id is that of the targets.
const id = 'b'.repeat(64);
const line = (content) => {
  const text = JSON.stringify(content);
  return `${text}\t${sha256(`${id}\n${text}`).slice(0, 16)}\n`;
};
const layout = [
  { name: 'queries', shape: [4, 8], dtype: 'float32' },
  { name: 'masks', shape: [4, 2, 2], dtype: 'uint8' },
  { name: 'labels', shape: [8, 8], dtype: 'uint8' },
];
const record = {
  file: 0,
  offset: 64,
  checksum: '0123456789abcdef',
  source: { sizes: [1, 2], times: [3, 4], digests: ['a', 'b'] },
  classPixels: [1, 0, 63],
};
seed(
  'cache-index/index',
  [
    { layout, passSize: 2 },
    { split: 'train', name: 'a', view: 0, ...record },
    { split: 'val', name: 'ü', view: 0, ...record, offset: 384 },
  ]
    .map(line)
    .join(''),
);
const quality = { transparent: 0, uniform: 0.25 };
const pass = {
  pass: 0,
  rows: [{ place: 0, values: [1, 2.5], width: 4, height: 3, quality }],
  failures: [{ place: 1, code: 'IMAGE', message: 'b.jpg cannot be decoded' }],
  stamps: ['1 2', null],
  paths: ['/a.jpg', '/b.jpg'],
  digests: ['c'.repeat(64), null],
  together: 1,
};
seed(
  'journal/journal',
  Buffer.concat([journalLine(id, pass), journalLine(id, { ...pass, pass: 1, rows: [] })]),
);
const settings = { model: 'a' };
const digest = sha256(JSON.stringify(settings)).slice(0, 16);
const made = { folder: 'x_segmentation', image: '/a/x.png', stamp: null, files: ['raw'], settings: digest };
seed(
  'predictions/predictions',
  [
    { settings, digest },
    made,
    { ...made, settings: 'other', folder: 'y', image: '/a/y.png' },
    { report: '/a/report.html', images: 'abc' },
  ]
    .map((each) => `${JSON.stringify(each)}\n`)
    .join(''),
);

// Beside checkpoints.
seed('checkpoint-config/transformers', fixture('hf/mlp/config.json'));
seed('checkpoint-config/eomt', fixture('eomt/config.json'));
json('checkpoint-config/timm', {
  architecture: 'vit_small',
  pretrained_cfg: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
  rope_theta: 100,
});
json('checkpoint-index/index', {
  metadata: { total_size: 8 },
  weight_map: { 'a.weight': 'a.safetensors', 'b.weight': 'b.safetensors' },
});

// Other binary files.
seed(
  'npy/map',
  encodeNpy(
    Uint8Array.from({ length: 6 }, (_, i) => i),
    2,
    3,
  ),
);
const elf = Buffer.alloc(128);
elf.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
elf.writeBigUInt64LE(64n, 40);
elf.writeUInt16LE(64, 58);
elf.writeUInt16LE(1, 60);
seed('elf/library', elf);
seed('wheel/wheel', wheel());

/** A wheel of a file and its record. */
function wheel() {
  const info = 'torch-2.13.0.dist-info';
  const files = {
    'torch/version.py': "__version__ = '2.13.0'\n",
    [`${info}/METADATA`]: 'Name: torch\nVersion: 2.13.0\n',
    [`${info}/RECORD`]: `torch/version.py,sha256=abc,23\n${info}/RECORD,,\n`,
  };
  const [locals, central] = [[], []];
  let offset = 0;
  for (const [name, text] of Object.entries(files)) {
    const packed = deflateRawSync(text);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(8, 4);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(text.length, 18);
    common.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), common, Buffer.from(name), packed]);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(offset, 10);
    central.push(Buffer.from('PK\x01\x02\x14\x03'), common, rest, Buffer.from(name));
    locals.push(local);
    offset += local.length;
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(3, 4);
  end.writeUInt16LE(3, 6);
  end.writeUInt32LE(directory.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...locals, directory, Buffer.from('PK\x05\x06'), end]);
}

// Of the C++ targets: parts of the tests' checkpoints. Targets of whole files start from those themselves.
const checkpoints = readdirSync(here('../fixtures/checkpoints')).filter((name) =>
  /\.(pth|pt|safetensors)$/.test(name),
);
for (const name of checkpoints) {
  const content = fixture(`checkpoints/${name}`);
  if (name.endsWith('.safetensors')) {
    const size = Number(content.readBigUInt64LE(0));
    seed('safetensors-header/dtypes', content.subarray(8, 8 + size));
  }
  const pickle = pickleIn(content);
  if (pickle)
    seed(
      `pickle/${name.replace('.', '-')}`,
      Buffer.concat([Buffer.from([name.endsWith('.pt') ? 1 : 0]), pickle]),
    );
}

/** data.pkl of a stored archive; undefined in other files. */
function pickleIn(bytes) {
  const name = bytes.indexOf('data.pkl');
  if (bytes.readUInt32LE(0) !== 0x04034b50 || name < 0) return undefined;
  const header = bytes.lastIndexOf('PK\x03\x04', name);
  const begin = header + 30 + bytes.readUInt16LE(header + 26) + bytes.readUInt16LE(header + 28);
  // Sizes stand behind the data where the writer did not know them.
  const end = bytes.indexOf('.PK', begin) + 1;
  return end > 0 ? bytes.subarray(begin, end) : undefined;
}

for (const [name, bytes] of networkSeeds(fixture)) seed(name, bytes);

// Their bytes are read as numbers: any will do.
seed('polygon-raster/any', Buffer.from(bytes(200)));
seed('records/any', Buffer.from(bytes(400)));
