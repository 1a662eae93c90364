/** Images with an alpha channel that are larger than what is done with them needs. */
import { join } from 'node:path';
import { writeFile } from 'node:fs/promises';
import sharp from 'sharp';
import t from 'tap';
import { AlphaReduction } from '../../lib/data/alpha-reduction.js';
import { Budget, decodingRoom, mostPixels } from '../../lib/data/budget.js';
import { decodeImage } from '../../lib/data/decode.js';
import { decodeReduced, stripsOf } from '../../lib/data/decode-reduced.js';
import { openImage } from '../../lib/data/image-decoder.js';
import { qualityOf } from '../../lib/features/quality.js';
import { makeBmp } from '../helpers/bmp.js';
import { createRandom } from '../helpers/random-values.js';

const root = t.testdir();
const [width, height] = [240, 180];
const size = { width, height };

type Pixel = readonly [red: number, green: number, blue: number, alpha: number];

const rgbaOf = (pixel: (x: number, y: number) => Pixel, { width, height } = size): Uint8Array =>
  Uint8Array.from(
    Array.from({ length: width * height }, (_, i) => pixel(i % width, Math.floor(i / width))).flat(),
  );

async function pngOf(name: string, rgba: Uint8Array, { progressive = false, orientation = 1 } = {}) {
  const path = join(root, `${name}.png`);
  const image = sharp(rgba, { raw: { ...size, channels: 4 } });
  await writeFile(path, await image.png({ progressive }).withMetadata({ orientation }).toBuffer());
  return path;
}

const inCircle = (x: number, y: number) => Math.hypot(x + 0.5 - width / 2, y + 0.5 - height / 2) < 80;
/** Red that is seen around green that is not: as faint as it can be without being seen. */
const [red, green]: [Pixel, Pixel] = [
  [200, 10, 30, 128],
  [20, 230, 60, 127],
];

for (const [divisor, title] of [
  [1.3, 'less than half'],
  [4, 'a quarter'],
  [7.7, 'an eighth'],
] as const)
  t.test(`colours of transparent pixels stay apart from others: ${title} of the size`, async (t) => {
    const path = await pngOf(
      'circle',
      rgbaOf((x, y) => (inCircle(x, y) ? green : red)),
    );
    const reduced = await decodeReduced(path, (width * height) / divisor ** 2);
    t.same(reduced.full, size);
    const whole = await decodeImage(path);
    const hidden = whole.transparent!.reduce((sum, one) => sum + one, 0);
    t.equal(reduced.transparentPixels, hidden);
    t.equal(qualityOf(reduced).transparent, qualityOf(whole).transparent, 'the share is that of the image');
    const at = { wrong: 0, place: 0, hidden: 0 };
    for (let i = 0; i < reduced.width * reduced.height; i++) {
      const [x, y] = [i % reduced.width, Math.floor(i / reduced.width)];
      const place = [((x + 0.5) * width) / reduced.width, ((y + 0.5) * height) / reduced.height] as const;
      const distance = Math.hypot(place[0] - width / 2, place[1] - height / 2) - 80;
      const isHidden = reduced.transparent![i] === 1;
      if (Math.abs(distance) > divisor && isHidden !== distance < 0) at.place++;
      const expected = isHidden ? green : red;
      // Alpha of a pixel at the edge has 8 bits, and so have its colours that are weighed by it.
      for (let c = 0; c < 3; c++) if (Math.abs(reduced.data[3 * i + c]! - expected[c]!) > 3) at.wrong++;
      at.hidden += Number(isHidden);
    }
    t.match(at, { wrong: 0, place: 0 });
    t.ok(Math.abs(at.hidden / (reduced.width * reduced.height) - hidden / (width * height)) < 0.01);
  });

t.test('an alpha channel that hides nothing changes nothing', async (t) => {
  const random = createRandom(1);
  const rgba = rgbaOf((x, y) => [x, y, (x + y + 40 * random()) & 255, 128 + ((x * y) & 127)]);
  const reduced = await decodeReduced(await pngOf('faint', rgba), 60 * 45);
  const opaque = rgba.map((value, i) => (i % 4 < 3 ? value : 255));
  t.strictSame(reduced, await decodeReduced(await pngOf('opaque', opaque), 60 * 45));
  t.strictSame(Object.keys(reduced).sort(), ['data', 'full', 'height', 'width']);
});

t.test('an image that is transparent as a whole keeps its colours, and is transparent', async (t) => {
  const path = await pngOf(
    'nothing',
    rgbaOf(() => [7, 80, 160, 0]),
  );
  const { data, transparent } = await decodeReduced(path, 1000);
  t.ok(transparent!.every((one) => one === 1));
  t.ok(data.every((value, i) => value === [7, 80, 160][i % 3]));
});

t.test('strips are the rows of the image, as it is shown', async (t) => {
  const random = createRandom(2);
  const rgba = rgbaOf(() => [random() * 256, random() * 256, random() * 256, random() * 256]);
  for (const how of [{}, { progressive: true }, { orientation: 6 }] as const) {
    const path = await pngOf('noise', rgba, how);
    const { data } = await sharp(path).autoOrient().raw().toBuffer({ resolveWithObject: true });
    const opened = await openImage(path);
    for (const stripBytes of [1, 10_000, 1e9]) {
      const strips = [];
      for await (const strip of stripsOf(opened, opened.file, { maxPixels: mostPixels, stripBytes })) {
        t.equal(strip.data.length, 4 * opened.width * strip.height);
        if (stripBytes > 1) t.ok(strip.data.length <= stripBytes);
        strips.push(strip.data);
        if (stripBytes === 1 && strips.length > 3) break;
      }
      const read = Buffer.concat(strips);
      t.ok(read.equals(data.subarray(0, read.length)), `${JSON.stringify(how)}, ${stripBytes} bytes`);
      if (stripBytes > 1) t.equal(read.length, data.length);
    }
  }
});

t.test('the result does not depend on the strips', async (t) => {
  const random = createRandom(3);
  const data = rgbaOf(() => [random() * 256, random() * 256, random() * 256, random() * 256]);
  const to = { width: 37, height: 28 };
  const reducedBy = async (rows: number) => {
    const reduction = new AlphaReduction(size, to);
    for (let top = 0; top < height; top += rows) {
      const some = Math.min(rows, height - top);
      const from = 4 * width * top;
      const strip = data.subarray(from, from + 4 * width * some);
      reduction.add({ data: strip, width, height: some, channels: 4 });
    }
    return { ...(await reduction.result()), hidden: reduction.transparentPixels };
  };
  const whole = await reducedBy(height);
  t.match(whole, to);
  for (const rows of [1, 7, 100]) t.strictSame(await reducedBy(rows), whole);
  const reduction = new AlphaReduction(size, to);
  t.throws(() => reduction.add({ data, width: width + 1, height: 1, channels: 4 }), /another size/);
});

t.test('a bitmap with an alpha channel is reduced like others', async (t) => {
  const pixels = rgbaOf((x, y) => {
    const [r, g, b, a] = inCircle(x, y) ? green : red;
    return [b, g, r, a];
  });
  const path = join(root, 'circle.bmp');
  const masks = [0xff0000, 0xff00, 0xff, 0xff000000] as [number, number, number, number];
  // Negative: rows from the top.
  const shape = { width, height: -height, bits: 32, compression: 3, headerSize: 124 };
  await writeFile(path, makeBmp({ ...shape, masks, pixels }));
  const png = await pngOf(
    'as-bitmap',
    rgbaOf((x, y) => (inCircle(x, y) ? green : red)),
  );
  t.strictSame(await decodeReduced(path, 1000), await decodeReduced(png, 1000));
});

t.test('what is reduced takes room for a strip, not for the whole image', async (t) => {
  const holed = await pngOf('holed', rgbaOf((x, y) => (inCircle(x, y) ? green : red))); // prettier-ignore
  const opaque = await pngOf('whole', rgbaOf((x, y) => [x, y, 9, 255])); // prettier-ignore
  for (const path of [holed, opaque]) {
    const expected = await decodeReduced(path, 100);
    const taken = t.capture(decodingRoom, 'take', Budget.prototype.take);
    const stripBytes = 4 * width * 50;
    t.strictSame(await decodeReduced(path, 100, { stripBytes }), expected, 'the same as of one strip');
    const [amount] = taken().map(({ args: [bytes] }) => bytes);
    const { length } = (await openImage(path)).file;
    t.ok(amount! < length + 2 * stripBytes + 10_000, `${amount} bytes`);
    t.notOk(decodingRoom.isInUse);
  }
});

t.test('a damaged file is refused, and a caller that stops does not wait', async (t) => {
  const random = createRandom(4);
  const rgba = rgbaOf(() => [random() * 256, 0, 0, random() * 256]);
  const path = await pngOf('cut', rgba);
  const { file } = await openImage(path);
  await writeFile(path, file.subarray(0, file.length / 2));
  await t.rejects(decodeReduced(path, 100), { code: 'IMAGE', message: /cut\.png cannot be decoded/ });
  await writeFile(path, file);
  const stop = new AbortController();
  const decoding = decodeReduced(path, 100, { signal: stop.signal });
  stop.abort(new Error('stop'));
  await t.rejects(decoding, { message: 'stop' });
});
