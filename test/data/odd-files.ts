/** Files as people have them: other formats, wrong endings, missing markers, transparency. */
import { execFileSync } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import t from 'tap';
import { decodeImage, exifOf, readImageSize } from '../../lib/data/decode.js';
import { decodeReduced } from '../../lib/data/decode-reduced.js';
import { bmpRows, makeBmp } from '../helpers/bmp.js';
import { restartJpeg } from '../helpers/restart-jpeg.js';
import { writeTree } from '../helpers/temporary.js';

/** A picture of 5×3 pixels, no two alike. */
const [width, height] = [5, 3];
const rgb = Array.from({ length: width * height }, (_, i) => [10 * i, 255 - 9 * i, (i * 77) & 255]);
const rowsOf = (of: (pixel: number[], i: number) => number[]) =>
  Array.from({ length: height }, (_, y) =>
    rgb.slice(y * width, (y + 1) * width).flatMap((pixel, x) => of(pixel, y * width + x)),
  );
const palette = rgb.map(([r, g, b]) => [r!, g!, b!] as const);

t.test('BMP files decode to their pixels', async (t) => {
  const bgr = bmpRows(rowsOf(([r, g, b]) => [b!, g!, r!]));
  const upper = Buffer.concat(rowsOf(([r, g, b]) => [b!, g!, r!]).map((row) => Buffer.from([...row, 0])));
  const nibbles = rowsOf((_, i) => [i]).map((row) => [
    row[0]! * 16 + row[1]!,
    row[2]! * 16 + row[3]!,
    row[4]! * 16,
  ]);
  const size = { width, height };
  const runs = [
    // Row 2 (the lowest): five literal indices and padding; row 1: a run, a jump, literal; row 0: runs of one.
    ...[0, 5, 10, 11, 12, 13, 14, 0, 0, 0],
    ...[1, 5, 1, 6, 0, 3, 7, 8, 9, 0, 0, 0],
    ...[1, 0, 1, 1, 1, 2, 1, 3, 1, 4, 0, 1],
  ];
  const cases: Record<string, Buffer> = {
    '24 bits': makeBmp({ ...size, bits: 24, pixels: bgr }),
    '24 bits, the first row on top': makeBmp({ width, height: -height, bits: 24, pixels: upper }),
    'OS/2 header': makeBmp({ ...size, bits: 24, headerSize: 12, pixels: bgr }),
    '32 bits': makeBmp({ ...size, bits: 32, pixels: bmpRows(rowsOf(([r, g, b]) => [b!, g!, r!, 0])) }),
    '32 bits by masks': makeBmp({
      ...{ ...size, bits: 32, compression: 3, masks: [0xff, 0xff00, 0xff0000] },
      pixels: bmpRows(rowsOf(([r, g, b]) => [r!, g!, b!, 0])),
    }),
    '8 bits': makeBmp({ ...size, bits: 8, palette, pixels: bmpRows(rowsOf((_, i) => [i])) }),
    'OS/2 header, 8 bits': makeBmp({
      ...{ ...size, bits: 8, headerSize: 12 },
      palette: [...palette, ...new Array<[number, number, number]>(241).fill([0, 0, 0])],
      pixels: bmpRows(rowsOf((_, i) => [i])),
    }),
    '4 bits': makeBmp({ ...size, bits: 4, palette, pixels: bmpRows(nibbles) }),
    'run lengths': makeBmp({ ...size, bits: 8, compression: 1, palette, pixels: Buffer.from(runs) }),
  };
  for (const [title, bytes] of Object.entries(cases)) {
    const image = await decodeImage(bytes);
    t.same([image.width, image.height, ...image.data], [width, height, ...rgb.flat()], title);
    t.notOk(image.transparent, `${title}: opaque`);
  }
});

t.test('BMP files of few bits, run lengths of 4 bits, and 16 bits', async (t) => {
  const two = makeBmp({
    ...{ width: 10, height: 1, bits: 1 },
    palette: [
      [1, 2, 3],
      [250, 251, 252],
    ],
    pixels: bmpRows([[0b10100101, 0b01000000]]),
  });
  const bits = [1, 0, 1, 0, 0, 1, 0, 1, 0, 1];
  t.same(
    [...(await decodeImage(two)).data],
    bits.flatMap((bit) => (bit ? [250, 251, 252] : [1, 2, 3])),
  );
  const runs = Buffer.from([5, 0x12, 0, 2, 2, 1, 0, 3, 0x34, 0x50, 0, 1]);
  const four = makeBmp({ width: 10, height: 2, bits: 4, compression: 2, palette, pixels: runs });
  const indices = [0, 0, 0, 0, 0, 0, 0, 3, 4, 5, 1, 2, 1, 2, 1, 0, 0, 0, 0, 0];
  t.same(
    [...(await decodeImage(four)).data],
    indices.flatMap((i) => [...palette[i]!]),
  );
  const sixteen = (value: number, extra = {}) =>
    makeBmp({
      width: 1,
      height: 1,
      bits: 16,
      pixels: Buffer.from([value & 255, value >> 8, 0, 0]),
      ...extra,
    });
  t.same([...(await decodeImage(sixteen(0x7fff))).data], [255, 255, 255], '5 bits each reach white');
  t.same([...(await decodeImage(sixteen((31 << 10) | 16))).data], [255, 0, 132]);
  const masks = { compression: 3, masks: [0xf800, 0x7e0, 0x1f] };
  t.same([...(await decodeImage(sixteen((63 << 5) | 1, masks))).data], [0, 255, 8], '5, 6 and 5 bits');
});

t.test('an alpha channel of a BMP is told', async (t) => {
  const masks = [0xff0000, 0xff00, 0xff, 0xff000000];
  const pixels = Buffer.from([3, 2, 1, 255, 6, 5, 4, 0]);
  const file = makeBmp({ width: 2, height: 1, bits: 32, compression: 3, headerSize: 124, masks, pixels });
  const image = await decodeImage(file);
  t.same([...image.data], [1, 2, 3, 4, 5, 6]);
  t.same([...image.transparent!], [0, 1]);
});

t.test('damaged BMP files are refused before memory is taken', async (t) => {
  const good = makeBmp({ width, height, bits: 24, pixels: bmpRows(rowsOf((pixel) => pixel)) });
  const huge = makeBmp({ width: 100_000, height: 100_000, bits: 24, pixels: Buffer.alloc(4) });
  const short = makeBmp({ width: 16_000, height: 16_000, bits: 24, pixels: Buffer.alloc(4) });
  const runs = (...bytes: number[]) =>
    makeBmp({ width, height, bits: 8, compression: 1, palette, pixels: Buffer.from(bytes) });
  const cases: [title: string, file: Buffer, reason: RegExp][] = [
    ['more pixels than wanted', huge, /exceeds the pixel limit/],
    ['no pixels', short, /ends after 58 of 768000054 bytes/],
    ['cut', good.subarray(0, -20), /ends after/],
    ['header alone', good.subarray(0, 20), /header is cut off/],
    ['a JPEG inside', makeBmp({ width, height, bits: 24, compression: 4, pixels: good }), /not supported/],
    ['no width', makeBmp({ width: 0, height, bits: 24, pixels: good }), /its size is 0×3/],
    ['runs that leave the picture', runs(200, 1), /leave the picture/],
    ['runs that end', runs(2, 1), /ends in row 1 of 3/],
  ];
  for (const [title, file, reason] of cases)
    await t.rejects(decodeImage(file), { code: 'IMAGE', message: reason }, title);
});

/** A picture with detail everywhere, so that no part of its file is without effect. */
const side = 96;
const busy = new Uint8Array(side * side * 3).map((_, i) => (Math.imul(i, 2654435761) >>> 13) & 255);
const busyImage = sharp(busy, { raw: { width: side, height: side, channels: 3 } });

t.test('a JPEG without its end marker is decoded with a note, one that lacks more is refused', async (t) => {
  for (const options of [{}, { progressive: true }, { chromaSubsampling: '4:4:4' }]) {
    const title = JSON.stringify(options);
    const jpeg = await busyImage.clone().jpeg(options).toBuffer();
    const whole = await decodeImage(jpeg);
    t.notOk(whole.notes, title);
    for (const bytes of [1, 2]) {
      const { data, notes } = await decodeImage(jpeg.subarray(0, -bytes));
      t.ok(Buffer.from(data).equals(whole.data), `${title}: the same pixels`);
      t.match(notes, [/end marker of the JPEG is missing; the picture is complete/]);
    }
    for (const bytes of [5, 12, 40, jpeg.length >> 1])
      await t.rejects(
        decodeImage(jpeg.subarray(0, -bytes)),
        { code: 'IMAGE', message: /premature end of JPEG/ },
        `${title}: ${bytes} bytes less`,
      );
  }
  const progressive = await busyImage.clone().jpeg({ progressive: true }).toBuffer();
  const lastScan = progressive.lastIndexOf(Buffer.from([0xff, 0xda]));
  await t.rejects(decodeImage(progressive.subarray(0, lastScan)), { code: 'IMAGE' }, 'a scan less');
  const thumbnail = Buffer.concat([Buffer.from([0xff, 0xe1, 0, 6]), Buffer.from([0, 0, 0xff, 0xd9])]);
  const cut = Buffer.concat([progressive.subarray(0, 2), thumbnail, progressive.subarray(2, -200)]);
  await t.rejects(decodeImage(cut), { code: 'IMAGE' }, 'the end of a thumbnail is not that of the picture');
});

t.test('a JPEG that lacks one restart marker is decoded with a note', async (t) => {
  const jpeg = restartJpeg(12, 8, 12);
  const whole = await decodeImage(jpeg);
  t.notOk(whole.notes);
  const without = (...markers: number[]) =>
    markers.reduce((file, marker) => {
      const at = file.indexOf(Buffer.from([0xff, marker]));
      return Buffer.concat([file.subarray(0, at), file.subarray(at + 2)]);
    }, jpeg);
  for (const marker of [0xd0, 0xd3, 0xd6]) {
    const { data, notes } = await decodeImage(without(marker));
    const rows = new Set<number>();
    data.forEach((value, i) => value !== whole.data[i] && rows.add(Math.floor(i / (12 * 8 * 3) / 8)));
    t.same([...rows], [marker - 0xd0 + 1], 'one row of blocks differs');
    t.match(notes, [/^One of the JPEG's 7 restart markers is missing/]);
  }
  await t.rejects(decodeImage(without(0xd1, 0xd2)), { code: 'IMAGE', message: /Corrupt JPEG data/ });
  const { notes } = await decodeImage(jpeg.subarray(0, -2));
  t.match(notes, [/end marker/]);
});

t.test('contents decide what a file is, and what is no photograph is called by its name', async (t) => {
  const jpeg = await busyImage.clone().jpeg().toBuffer();
  const heic = Buffer.concat([Buffer.from([0, 0, 0, 24]), Buffer.from('ftypmif1\0\0\0\0mif1heic'), jpeg]);
  const root = await writeTree(t, {
    'photo.txt': jpeg,
    'heic.jpg': heic,
    'document.jpg': '%PDF-1.7 …',
    'drawing.png': '<svg width="4" height="4"></svg>',
    'empty.jpg': '',
    'fork.jpg': Buffer.from([0, 5, 0x16, 7, 0, 2, 0, 0]),
  });
  t.equal((await decodeImage(join(root, 'photo.txt'))).width, side);
  const refused: [name: string, message: RegExp][] = [
    [
      'heic.jpg',
      /heic\.jpg is HEIC, which is not decoded\. Convert it first: heif-convert photo\.heic photo\.jpg/,
    ],
    ['document.jpg', /is a PDF document/],
    ['drawing.png', /is an SVG drawing/],
    ['empty.jpg', /cannot be decoded: it is empty/],
    [
      'fork.jpg',
      /cannot be decoded: its first bytes \(00 05 16 07 00 02 00 00\) are those of no image format/,
    ],
  ];
  for (const [name, message] of refused)
    await t.rejects(decodeImage(join(root, name)), { code: 'IMAGE', message }, name);
});

t.test(
  'pipes and devices are refused without being read',
  { skip: process.platform === 'win32' },
  async (t) => {
    const root = await writeTree(t, {});
    execFileSync('mkfifo', [join(root, 'pipe.jpg')]);
    symlinkSync('/dev/zero', join(root, 'zero.jpg'));
    for (const name of ['pipe.jpg', 'zero.jpg'])
      await t.rejects(decodeImage(join(root, name)), {
        code: 'IMAGE',
        message: /is a pipe, socket or device/,
      });
  },
);

t.test('transparent pixels are told apart, with their colours', async (t) => {
  const rgba = Buffer.from([9, 8, 7, 0, 6, 5, 4, 127, 3, 2, 1, 128, 1, 1, 1, 255]);
  const png = await sharp(rgba, { raw: { width: 4, height: 1, channels: 4 } })
    .png()
    .toBuffer();
  const image = await decodeImage(png);
  t.same([...image.data], [9, 8, 7, 6, 5, 4, 3, 2, 1, 1, 1, 1]);
  t.same([...image.transparent!], [1, 1, 0, 0]);
  const opaque = await sharp(busy, { raw: { width: side, height: side, channels: 3 } })
    .ensureAlpha()
    .png()
    .toBuffer();
  t.notOk('transparent' in (await decodeImage(opaque)), 'none where all pixels are opaque');
});

t.test('odd files are reduced as others are', async (t) => {
  const [width, height] = [40, 24];
  const pixels = Uint8Array.from({ length: 3 * width * height }, (_, i) => (i * 7919) >> 3);
  const picture = sharp(pixels, { raw: { width, height, channels: 3 } });
  const rows = Array.from({ length: height }, (_, y) =>
    Array.from({ length: width }, (_, x) => [2, 1, 0].map((c) => pixels[3 * (y * width + x) + c]!)).flat(),
  );
  const jpeg = await picture.jpeg().toBuffer();
  const root = await writeTree(t, {
    'a.png': await picture.png().toBuffer(),
    'a.bmp': makeBmp({ width, height, bits: 24, pixels: bmpRows(rows) }),
    'opaque.png': await picture.ensureAlpha().png().toBuffer(),
    'no-end.jpg': jpeg.subarray(0, -2),
    'drawing.png': `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"/>`,
  });
  const of = (name: string) => decodeReduced(join(root, name), 240);
  const expected = await of('a.png');
  t.match(expected, { width: 20, height: 12, full: { width, height } });
  t.same(await of('a.bmp'), expected);
  t.same(await of('opaque.png'), expected);
  const { notes, ...cut } = await of('no-end.jpg');
  t.match(cut, { width: 20, height: 12, full: { width, height } });
  t.match(notes, [/end marker/]);
  await t.rejects(of('drawing.png'), { code: 'IMAGE', message: /SVG/ });
});

t.test('a pipe is not opened for its header either', { skip: process.platform === 'win32' }, async (t) => {
  const pipe = join(t.testdir(), 'pipe.jpg');
  execFileSync('mkfifo', [pipe]);
  await t.rejects(readImageSize(pipe), { code: 'IMAGE', message: /is a pipe, socket or device/ });
  await t.rejects(decodeReduced(pipe, 100), { code: 'IMAGE', message: /is a pipe, socket or device/ });
  t.equal(await exifOf(pipe), undefined);
});
