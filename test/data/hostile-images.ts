/** Images and annotations that were made to do harm: drawings, bombs, pipes. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import sharp from 'sharp';
import t from 'tap';
import { Budget, decodingRoom } from '../../lib/data/budget.js';
import { checkData } from '../../lib/data/check.js';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { decodeImage, decodeLabel, exifOf, readImageSize } from '../../lib/data/decode.js';
import { decodeReduced } from '../../lib/data/decode-reduced.js';
import { decodePolygons } from '../../lib/data/polygons.js';
import { prepareIdd } from '../../lib/data/prepare-idd.js';
import { makeBmp } from '../helpers/bmp.js';
import { writeTree } from '../helpers/temporary.js';

const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="4" height="2"><rect width="4" height="2"/></svg>';

t.test('a drawing is refused in every disguise, from files and bytes, as image and as label', async (t) => {
  const disguises: [name: string, bytes: Buffer][] = [
    ['plain', Buffer.from(svg)],
    ['after a mark and blanks', Buffer.from(`\ufeff \n\t${svg}`)],
    ['after a long comment', Buffer.from(`<!--${'x'.repeat(5000)}-->${svg}`)],
    ['in UTF-16', Buffer.from(`\ufeff<?xml version="1.0" encoding="UTF-16"?>${svg}`, 'utf16le')],
    ['with a prefix', Buffer.from(svg.replaceAll('svg ', 's:svg ').replace('xmlns', 'xmlns:s'))],
    ['behind text', Buffer.from(`text ${svg}`)],
  ];
  const root = await writeTree(
    t,
    Object.fromEntries(disguises.map(([name, bytes]) => [`${name}.png`, bytes])),
  );
  for (const [name, bytes] of disguises) {
    const path = join(root, `${name}.png`);
    const ways: Record<string, () => Promise<unknown>> = {
      bytes: () => decodeImage(bytes),
      file: () => decodeImage(path),
      reduced: () => decodeReduced(path, 4),
      header: () => readImageSize(path),
      label: () => decodeLabel(bytes),
      'label file': () => decodeLabel(path),
    };
    for (const [how, decode] of Object.entries(ways))
      await t.rejects(decode(), { code: 'IMAGE' }, `${name}: ${how}`);
    t.equal(await exifOf(path), undefined);
  }
  await t.rejects(decodeImage(Buffer.from(svg)), { message: /is an SVG drawing, which is not decoded/ });
  await t.rejects(decodeImage(disguises[3]![1]), { message: /is an SVG drawing/ });
  await t.rejects(
    decodeImage(sharp(Buffer.from(svg))),
    { code: 'IMAGE', message: /sharp instance of the format svg, which is not decoded/ },
    'a program may have opened an upload itself',
  );
});

t.test('formats that a libvips may load and that are no photographs are refused by name', async (t) => {
  const starts: [start: string, name: RegExp][] = [
    ['%PDF-1.7', /a PDF document/],
    ['%!PS-Adobe', /a PostScript document/],
    ['\x1f\x8b\x08', /compressed by gzip/],
    ['P6\n1 1\n255\nabc', /a portable pixmap/],
    ['SIMPLE  =                    T', /FITS/],
    ['MATLAB 5.0 MAT-file', /a Matlab file/],
    ['\xb6\xa6\xf2\x08', /a VIPS image/],
    ['\x5c\x01\0\0', /an Analyze or NIfTI volume/],
    ['v/1\x01', /OpenEXR/],
    ['#?RADIANCE\n', /Radiance HDR/],
    ['\xff\x0a', /JPEG XL/],
    ['\0\0\0\x0cjP  ', /JPEG 2000/],
    ['8BPS', /a Photoshop document/],
    ['II*\0\x10\0\0\0CR', /a raw file of a camera/],
    ['\0\0\0\x18ftypmp42', /a video/],
    ['<!doctype html><html>', /an XML or HTML document/],
    ['1,2,3\n4,5,6\n', /first bytes \(31 2c 32 2c 33 0a 34 2c\) are those of no image format/],
  ];
  for (const [start, message] of starts)
    for (const decode of [decodeImage, decodeLabel])
      await t.rejects(decode(Buffer.from(start, 'latin1')), { code: 'IMAGE', message });
});

t.test('a file that begins as one format and is another does not pass', async (t) => {
  const png = await sharp({ create: { width: 2, height: 2, channels: 3, background: 'red' } })
    .png()
    .toBuffer();
  const jpegs = Buffer.concat([Buffer.from([0xff, 0xd8, 0xff]), png]);
  await t.rejects(decodeImage(jpegs), { code: 'IMAGE' });
});

t.test('the command line locks other loaders; a program that uses the package keeps its own', async (t) => {
  const file = join(t.testdir(), 'image.v');
  await sharp({ create: { width: 2, height: 2, channels: 3, background: 'red' } }).toFile(file);
  const lib = (name: string) =>
    JSON.stringify(pathToFileURL(join(import.meta.dirname, '../../dist', name)).href);
  const script = (isOurs: boolean) => `
    const { ownProcess } = await import(${lib('own-process.js')});
    ownProcess.isOurs = ${isOurs};
    const { sharp } = await import(${lib('codec.js')});
    const { renderSvg, decodeImage } = await import(${lib('data/decode.js')});
    const of = (what) => what.then(() => 'read', () => 'refused');
    const red = sharp({ create: { width: 2, height: 2, channels: 3, background: 'red' } });
    const kinds = [];
    for (const kind of ['png', 'jpeg', 'webp', 'tiff', 'gif', 'avif'])
      kinds.push(await of(decodeImage(await red.clone()[kind]().toBuffer())));
    console.log(await of(sharp(${JSON.stringify(file)}).metadata()), await of(renderSvg(${JSON.stringify(svg)})), ...new Set(kinds));`;
  const run = (isOurs: boolean) =>
    execFileSync(process.execPath, ['--input-type=module', '-e', script(isOurs)], {
      encoding: 'utf8',
    }).trim();
  t.equal(run(true), 'refused read read');
  t.equal(run(false), 'read read read');
});

t.test('larger images, labels and annotations than wanted are refused before they are decoded', async (t) => {
  const png = await sharp({ create: { width: 40, height: 30, channels: 3, background: 'black' } })
    .png()
    .toBuffer();
  const root = await writeTree(t, {
    'a.png': png,
    'a.json': JSON.stringify({ imgHeight: 30, imgWidth: 40, objects: [] }),
    'gtFine/a_gtFine_polygons.json': JSON.stringify({ imgHeight: 16383, imgWidth: 16383, objects: [] }),
  });
  const path = join(root, 'a.png');
  for (const decode of [
    () => decodeImage(path, { maxPixels: 1199 }),
    () => decodeReduced(path, 4, { maxPixels: 1199 }),
  ])
    await t.rejects(decode(), { code: 'IMAGE', message: /exceeds pixel limit/ });
  t.equal((await decodeReduced(path, 4, { maxPixels: 1200 })).full.width, 40);
  const annotation = join(root, 'a.json');
  await t.rejects(decodePolygons(annotation, { maxPixels: 1199 }), {
    code: 'DATASET',
    message: /declares 40×30 pixels, more than 1199/,
  });
  await t.rejects(decodePolygons(annotation, { maxPixels: 0 }), { code: 'INVALID_ARGUMENT' });
  const { faults } = await prepareIdd(root, { maxPixels: 1e6 });
  t.match(faults, [{ code: 'DATASET', message: /declares 16383×16383 pixels/ }]);
  await t.rejects(
    decodeImage(
      makeBmp({
        width: 16000,
        height: 16000,
        bits: 8,
        compression: 1,
        palette: new Array<[number, number, number]>(256).fill([0, 0, 0]),
        pixels: Buffer.from([0, 1]),
      }),
    ),
    { code: 'IMAGE', message: /bytes cannot hold the runs of 16000×16000 pixels/ },
  );
});

t.test('images that are decoded at a time share one room', async (t) => {
  const interlaced = await sharp({ create: { width: 2000, height: 1000, channels: 3, background: 'black' } })
    .png({ progressive: true })
    .toBuffer();
  const taken = t.capture(decodingRoom, 'take', Budget.prototype.take);
  const given = t.capture(decodingRoom, 'give', Budget.prototype.give);
  await decodeImage(interlaced);
  const amounts = taken().map(({ args: [amount] }) => amount);
  t.same(amounts, [2000 * 1000 * (3 + 3)], 'what the codec decodes at once, and what it gives');
  t.same(
    given().map(({ args: [amount] }) => amount),
    amounts,
    'all of it is given back',
  );
  await t.rejects(decodeImage(interlaced.subarray(0, -100)), { code: 'IMAGE' });
  t.equal(taken().length, given().length, 'also where decoding fails');
  t.notOk(decodingRoom.isInUse);
});

t.test('room goes to the next where one stops waiting', async (t) => {
  const room = new Budget(10);
  await room.take(6);
  const stop = new AbortController();
  const stopped = room.take(8, stop.signal);
  const small = room.during(2, async () => 'done');
  stop.abort(new Error('stop'));
  await t.rejects(stopped, { message: 'stop' });
  t.equal(await small, 'done');
  room.give(6);
  t.notOk(room.isInUse);
});

t.test('a caller that stops does not wait for the codec', async (t) => {
  const stop = new AbortController();
  const png = await sharp({ create: { width: 3000, height: 2000, channels: 3, background: 'black' } })
    .png({ progressive: true })
    .toBuffer();
  const decoding = decodeImage(png, { signal: stop.signal });
  stop.abort(new Error('stop'));
  await t.rejects(decoding, { message: 'stop' });
});

t.test(
  'pipes among images, labels and annotations are faults of theirs, and nothing waits for them',
  { skip: process.platform === 'win32' },
  async (t) => {
    const png = await sharp({ create: { width: 2, height: 2, channels: 3, background: 'black' } })
      .toColourspace('b-w')
      .png()
      .toBuffer();
    const root = await writeTree(t, {
      'images/a.png': png,
      'masks/a.png': png,
      'images/b.png': png,
      'masks/c.png': png,
      'annotations/README': '',
      'list.txt': 'images/a.png\tmasks/a.png\nimages/pipe.png\tmasks/c.png\nimages/b.png\tmasks/pipe.png\n',
    });
    for (const pipe of ['images/pipe.png', 'masks/pipe.png', 'annotations/a_gtFine_polygons.json'])
      execFileSync('mkfifo', [join(root, pipe)]);
    const message = /is a pipe, socket or device/;
    const { faults } = await checkData(join(root, 'list.txt'), await loadClassSet('idd26'));
    t.match(
      faults.filter(({ kind }) => kind === 'unreadable'),
      [
        { path: join(root, 'masks/pipe.png'), message },
        { path: join(root, 'images/pipe.png'), message },
      ],
    );
    await t.rejects(decodePolygons(join(root, 'annotations/a_gtFine_polygons.json')), {
      code: 'DATASET',
      message,
    });
    const prepared = await prepareIdd(join(root, 'annotations'));
    t.match(prepared.faults, [{ code: 'DATASET', message }]);
  },
);
