import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import sharp from 'sharp';
import t from 'tap';
import { decodeImage, decodeLabel, encodePng, renderSvg } from '../../lib/data/decode.js';
import { makePng } from '../helpers/png.js';
import { shared, skipWithout, writeTree } from '../helpers/temporary.js';

/** Pixels that no compression of a few bytes could hold, for files to be cut and damaged. */
const busy = new Uint8Array(120 * 80 * 3).map((_, i) => (Math.imul(i, 2654435761) >>> 13) & 255);
const busyImage = sharp(busy, { raw: { width: 120, height: 80, channels: 3 } });

t.test('an RGB image decodes to its own values, from a path and from bytes', async (t) => {
  const png = await encodePng(busy, 120, 80, 3);
  const root = await writeTree(t, { 'a.png': png });
  const image = await decodeImage(png);
  t.same([image.width, image.height], [120, 80]);
  t.ok(Buffer.from(image.data).equals(Buffer.from(busy)));
  t.ok(Buffer.from((await decodeImage(join(root, 'a.png'))).data).equals(Buffer.from(busy)));
});

t.test('an image with more pixels than wanted is refused before it is decoded', async (t) => {
  const png = await encodePng(busy, 120, 80, 3);
  t.equal((await decodeImage(png, { maxPixels: 120 * 80 })).width, 120);
  await t.rejects(decodeImage(png, { maxPixels: 120 * 80 - 1 }), { code: 'IMAGE', message: /pixel limit/ });
  await t.rejects(decodeImage(png, { maxPixels: 0 }), {
    code: 'INVALID_ARGUMENT',
    message: /maxPixels.*not 0/,
  });
});

t.test('16 bits become 8 by dropping the low byte', async (t) => {
  const values = [0, 255, 256, 511, 32768, 65280, 65535, 40000, 383];
  const bytes = (list: number[]): number[] => list.flatMap((v) => [v >> 8, v & 255]);
  const rgb = makePng({ width: 3, rows: [bytes(values)], bitDepth: 16, colourType: 2 });
  t.same(
    [...(await decodeImage(rgb)).data],
    values.map((v) => v >> 8),
    'RGB',
  );
  const grey = makePng({ width: 9, rows: [bytes(values)], bitDepth: 16, colourType: 0 });
  t.same(
    [...(await decodeImage(grey)).data],
    values.flatMap((v) => [v >> 8, v >> 8, v >> 8]),
    'grey',
  );
  const rgba = makePng({ width: 1, rows: [bytes([1000, 40000, 32768, 256])], bitDepth: 16, colourType: 6 });
  t.same([...(await decodeImage(rgba)).data], [3, 156, 128], 'RGBA');
});

t.test('grey becomes three equal channels', async (t) => {
  const grey = makePng({ width: 3, rows: [[0, 100, 255]], bitDepth: 8, colourType: 0 });
  t.same([...(await decodeImage(grey)).data], [0, 0, 0, 100, 100, 100, 255, 255, 255]);
});

t.test('alpha is dropped and the stored colours stay', async (t) => {
  const rgba = makePng({ width: 2, rows: [[200, 100, 50, 0, 10, 20, 30, 128]], bitDepth: 8, colourType: 6 });
  t.same([...(await decodeImage(rgba)).data], [200, 100, 50, 10, 20, 30]);
  const grey = makePng({ width: 2, rows: [[40, 0, 90, 128]], bitDepth: 8, colourType: 4 });
  t.same([...(await decodeImage(grey)).data], [40, 40, 40, 90, 90, 90]);
});

t.test('a palette image becomes its colours', async (t) => {
  const png = makePng({
    width: 2,
    rows: [[1, 0]],
    bitDepth: 8,
    colourType: 3,
    palette: [9, 8, 7, 250, 1, 2],
  });
  t.same([...(await decodeImage(png)).data], [250, 1, 2, 9, 8, 7]);
});

t.test('EXIF rotation is applied', async (t) => {
  // A red left half and a blue right half, 16×8; orientation 6 turns it clockwise.
  const pixels = new Uint8Array(16 * 8 * 3);
  for (let i = 0; i < 128; i++) pixels.set(i % 16 < 8 ? [255, 0, 0] : [0, 0, 255], 3 * i);
  const jpeg = await sharp(pixels, { raw: { width: 16, height: 8, channels: 3 } })
    .jpeg({ quality: 100, chromaSubsampling: '4:4:4' })
    .withMetadata({ orientation: 6 })
    .toBuffer();
  const { data, width, height } = await decodeImage(jpeg);
  t.same([width, height], [8, 16]);
  t.ok(data[0]! > 200 && data[2]! < 60, 'red is on top');
  const last = data.length - 3;
  t.ok(data[last]! < 60 && data[last + 2]! > 200, 'blue is below');
});

t.test('CMYK and colour profiles are converted to sRGB', async (t) => {
  const solid = sharp({ create: { width: 8, height: 8, channels: 3, background: '#c81e1e' } });
  const cmyk = await solid.clone().toColourspace('cmyk').jpeg({ quality: 100 }).toBuffer();
  t.equal((await sharp(cmyk).metadata()).space, 'cmyk');
  const converted = await decodeImage(cmyk);
  t.equal(converted.data.length, 192);
  t.ok(
    converted.data[0]! > 150 && converted.data[1]! < 80,
    `red stays red: ${converted.data.subarray(0, 3)}`,
  );
  const wide = await solid.clone().withIccProfile('p3').png().toBuffer();
  t.equal((await sharp(wide).metadata()).hasProfile, true);
  const back = await decodeImage(wide);
  [200, 30, 30].forEach((value, c) =>
    t.ok(Math.abs(back.data[c]! - value) <= 3, `channel ${c}: ${back.data[c]}`),
  );
});

t.test('what is no whole image is IMAGE with its path and the reason', async (t) => {
  const jpeg = await busyImage.clone().jpeg().toBuffer();
  const png = await busyImage.clone().png().toBuffer();
  const webp = await busyImage.clone().webp().toBuffer();
  const damaged = Buffer.from(png);
  for (let i = 0; i < 20; i++) damaged[(png.length >> 1) + i]! ^= 0x5a;
  const cases: [title: string, bytes: Buffer][] = [
    ['text', Buffer.from('no image at all')],
    ['empty', Buffer.alloc(0)],
    ['JPEG cut in half', jpeg.subarray(0, jpeg.length >> 1)],
    ['JPEG without its last bytes', jpeg.subarray(0, -40)],
    ['PNG cut in half', png.subarray(0, png.length >> 1)],
    ['PNG header only', png.subarray(0, 33)],
    ['WebP cut in half', webp.subarray(0, webp.length >> 1)],
    ['damaged PNG', damaged],
  ];
  for (const [title, bytes] of cases) {
    const root = await writeTree(t, { 'picture.bin': bytes });
    const expected = { code: 'IMAGE', message: /picture\.bin cannot be decoded: .+\. Expected a complete/ };
    await t.rejects(decodeImage(join(root, 'picture.bin')), expected, title);
    await t.rejects(decodeLabel(join(root, 'picture.bin')), expected, `${title}, as a label`);
  }
  await t.rejects(decodeImage(Buffer.from('x')), { code: 'IMAGE', message: /^The image cannot/ });
  await t.rejects(decodeImage('/nowhere/1.png'), { code: 'FILE_NOT_FOUND' });
  await t.rejects(decodeLabel('/nowhere/1.png'), { code: 'FILE_NOT_FOUND' });
});

t.test('label values are exact', async (t) => {
  const all8 = Array.from({ length: 256 }, (_, i) => i);
  const eight = makePng({ width: 256, rows: [all8], bitDepth: 8, colourType: 0 });
  t.same([...(await decodeLabel(eight)).data], all8, 'every 8-bit value');
  const rows = Array.from({ length: 256 }, (_, y) => all8.flatMap((x) => [y, x]));
  const sixteen = await decodeLabel(makePng({ width: 256, rows, bitDepth: 16, colourType: 0 }));
  t.type(sixteen.data, Uint16Array);
  t.ok(
    sixteen.data.every((v, i) => v === i),
    'every 16-bit value',
  );
  const gamma = makePng({ width: 4, rows: [[0, 1, 100, 200]], bitDepth: 8, colourType: 0, gamma: 1 });
  t.same([...(await decodeLabel(gamma)).data], [0, 1, 100, 200], 'whatever the gamma');
  const rgb = makePng({ width: 2, rows: [[7, 7, 7, 255, 255, 255]], bitDepth: 8, colourType: 2 });
  t.same([...(await decodeLabel(rgb)).data], [7, 255], 'RGB with equal channels');
  const rgba = makePng({ width: 2, rows: [[7, 7, 7, 0, 9, 9, 9, 255]], bitDepth: 8, colourType: 6 });
  t.same([...(await decodeLabel(rgba)).data], [7, 9], 'alpha is ignored');
  const profile = await sharp(Buffer.from(all8), { raw: { width: 256, height: 1, channels: 1 } })
    .toColourspace('b-w')
    .withMetadata({ orientation: 6 })
    .png()
    .toBuffer();
  const turned = await decodeLabel(profile);
  t.same([turned.width, turned.height, ...turned.data], [256, 1, ...all8], 'orientation is not applied');
});

t.test('few bits a sample keep their stored values', async (t) => {
  for (const [bitDepth, row, expected] of [
    [1, [0b01010000], [0, 1, 0, 1]],
    [2, [0b00011011], [0, 1, 2, 3]],
    [4, [0x0f, 0x12], [0, 15, 1, 2]],
  ] as const) {
    const grey = makePng({ width: 4, rows: [row], bitDepth, colourType: 0 });
    t.same([...(await decodeLabel(grey)).data], expected, `grey of ${bitDepth} bits`);
    const palette = Array.from({ length: 2 ** bitDepth }, (_, i) => [255 - i, i, 3 * i]).flat();
    const indexed = makePng({ width: 4, rows: [row], bitDepth, colourType: 3, palette });
    t.same([...(await decodeLabel(indexed)).data], expected, `palette of ${bitDepth} bits`);
  }
});

t.test(
  'a palette label gives its indices, also with transparent colours and after a real encoder',
  async (t) => {
    const palette = Array.from({ length: 26 }, (_, i) => [
      (i * 37) & 255,
      (i * 91) & 255,
      (i * 53) & 255,
    ]).flat();
    const made = makePng({
      width: 4,
      rows: [
        [0, 25, 3, 7],
        [7, 7, 1, 0],
      ],
      bitDepth: 8,
      colourType: 3,
      palette,
      transparency: [0, 128],
    });
    t.same([...(await decodeLabel(made)).data], [0, 25, 3, 7, 7, 7, 1, 0]);
    const png = await sharp(Buffer.from([255, 0, 0, 0, 255, 0, 255, 0, 0, 0, 0, 255]), {
      raw: { width: 4, height: 1, channels: 3 },
    })
      .png({ palette: true })
      .toBuffer();
    const { data } = await decodeLabel(png);
    t.equal(data[0], data[2], 'equal colours, equal indices');
    t.equal(new Set(data).size, 3);
  },
);

t.test('a palette of greys is taken only where index and grey agree', async (t) => {
  const identity = [0, 0, 0, 1, 1, 1, 2, 2, 2];
  const good = makePng({ width: 3, rows: [[2, 0, 1]], bitDepth: 8, colourType: 3, palette: identity });
  t.same([...(await decodeLabel(good)).data], [2, 0, 1]);
  const bad = makePng({ width: 2, rows: [[1, 0]], bitDepth: 8, colourType: 3, palette: [0, 0, 0, 7, 7, 7] });
  await t.rejects(decodeLabel(bad), {
    code: 'IMAGE',
    message: /shows index 1 as grey 7.*Store it as 8-bit grey/,
  });
});

t.test('a coloured picture is refused as a label', async (t) => {
  const rgb = makePng({ width: 2, rows: [[7, 7, 7, 128, 64, 128]], bitDepth: 8, colourType: 2 });
  await t.rejects(decodeLabel(rgb), {
    code: 'IMAGE',
    message: /colour picture, not a label image: the pixel at x 1, y 0 is \(128, 64, 128\)/,
  });
  const wide = makePng({ width: 1, rows: [[0, 1, 0, 1, 0, 1]], bitDepth: 16, colourType: 2 });
  await t.rejects(decodeLabel(wide), { code: 'IMAGE', message: /several channels of 16 bits/ });
});

t.test('a cut-off palette label is refused', async (t) => {
  const rows = Array.from({ length: 60 }, (_, y) => Array.from({ length: 60 }, (_, x) => (x * y * 7) & 3));
  const palette = [1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 8, 7];
  const png = makePng({ width: 60, rows, bitDepth: 8, colourType: 3, palette });
  t.equal((await decodeLabel(png)).data.length, 3600);
  await t.rejects(decodeLabel(png.subarray(0, png.length - 60)), { code: 'IMAGE' });
});

t.test('a PNG is written as it is given', async (t) => {
  const map = new Uint8Array([0, 1, 25, 255, 128, 3]);
  const grey = await encodePng(map, 3, 2, 1);
  t.match(await sharp(grey).metadata(), { format: 'png', space: 'b-w', channels: 1, width: 3, height: 2 });
  t.same([...(await decodeLabel(grey)).data], [...map]);
  t.match(await sharp(await encodePng(busy, 120, 80, 3)).metadata(), { space: 'srgb', channels: 3 });
  await t.rejects(encodePng(map, 4, 2, 1), { code: 'SHAPE', message: /2×4×1 needs 8 values, not 6/ });
});

t.test('an SVG is no image to decode, since its text would need the fonts of the machine', async (t) => {
  const svg = Buffer.from('<?xml version="1.0"?>\n<SVG width="4" height="2"></SVG>');
  await t.rejects(decodeImage(svg), { code: 'IMAGE', message: /is an SVG drawing/ });
  await t.rejects(decodeImage(gzipSync(svg)), { code: 'IMAGE', message: /is compressed by gzip/ });
});

t.test('an SVG is drawn at its own size', async (t) => {
  const { data, width, height } = await renderSvg(
    '<svg xmlns="http://www.w3.org/2000/svg" width="4" height="2"><rect width="4" height="2" fill="#0a141e"/></svg>',
  );
  t.same([width, height], [4, 2]);
  t.same([...data.subarray(0, 3)], [10, 20, 30]);
  await t.rejects(renderSvg('<svg'), { code: 'IMAGE' });
});

const sample = 'data/ade20k-sample';
t.test(
  'the ADE20K sample decodes, images and labels of one size',
  { skip: skipWithout(sample) },
  async (t) => {
    for (const [name, width, height] of [
      ['ADE_val_00000001', 683, 512],
      ['ADE_val_00000002', 500, 364],
      ['ADE_val_00000003', 400, 300],
    ] as const) {
      const image = await decodeImage(join(shared, sample, 'images', `${name}.jpg`));
      const label = await decodeLabel(await readFile(join(shared, sample, 'annotations', `${name}.png`)));
      t.same([image.width, image.height, label.width, label.height], [width, height, width, height], name);
      t.ok(
        label.data.every((v) => v <= 150),
        'values up to 150',
      );
    }
  },
);
