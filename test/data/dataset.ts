import sharp from 'sharp';
import t from 'tap';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { SegmentationDataset } from '../../lib/data/dataset.js';
import { encodePng } from '../../lib/data/decode.js';
import { writeTree } from '../helpers/temporary.js';

const idd26 = await loadClassSet('idd26');
const picture = await encodePng(new Uint8Array(4 * 3 * 3).fill(90), 4, 3, 3);

/** A folder with one image of 4×3 and its label. */
async function folder(
  t: Parameters<typeof writeTree>[0],
  label: Uint8Array | Buffer,
  kind = 'labellevel3Ids',
  image: Uint8Array = picture,
): Promise<string> {
  return await writeTree(t, {
    'leftImg8bit/train/a/1_leftImg8bit.png': image,
    [`gtFine/train/a/1_gtFine_${kind}.png`]: label,
  });
}

t.test('a sample is the image and its label in class indices', async (t) => {
  const values = new Uint8Array([0, 25, 255, 3, 0, 0, 0, 0, 0, 0, 0, 24]);
  const root = await folder(t, await encodePng(values, 4, 3, 1));
  const data = await SegmentationDataset.open(root, 'train', idd26);
  t.equal(data.length, 1);
  t.equal(data.labelKind, 'labellevel3Ids');
  t.equal(data.unpaired.count, 0);
  const { image, label, name, path } = await data.load(0);
  t.same([image.width, image.height, image.data.length], [4, 3, 36]);
  t.same([label.width, label.height, ...label.data], [4, 3, ...values]);
  t.equal(name, 'a/1');
  t.match(path, /1_leftImg8bit\.png$/);
});

t.test('raw values are mapped by the kind of label file', async (t) => {
  const values = new Uint8Array([0, 2, 3, 7, 18, 33, 34, 35, 39, 12, 255, 0]);
  const root = await folder(t, await encodePng(values, 4, 3, 1), 'labelids');
  const { label } = await (await SegmentationDataset.open(root, 'train', idd26)).load(0);
  t.same([...label.data], [0, 1, 2, 4, 12, 25, 25, 255, 255, 9, 255, 0]);
});

t.test('a label of another size than its image is LABEL_SIZE with both sizes', async (t) => {
  const root = await folder(t, await encodePng(new Uint8Array(12), 3, 4, 1));
  await t.rejects((await SegmentationDataset.open(root, 'train', idd26)).load(0), {
    code: 'LABEL_SIZE',
    message: /labellevel3Ids\.png is 4×3 \(height × width\), but its image .*leftImg8bit\.png is 3×4/,
  });
});

t.test("the image's size is that after EXIF rotation", async (t) => {
  const turned = await sharp(picture).jpeg().withMetadata({ orientation: 6 }).toBuffer();
  const root = await folder(t, await encodePng(new Uint8Array(12), 3, 4, 1), 'labellevel3Ids', turned);
  const { image, label } = await (await SegmentationDataset.open(root, 'train', idd26)).load(0);
  t.same([image.width, image.height, label.width, label.height], [3, 4, 3, 4]);
});

t.test(
  'values outside the class set are LABEL_VALUE: which, how many, where, and what is known',
  async (t) => {
    const values = new Uint8Array([0, 0, 0, 0, 0, 99, 40, 99, 0, 0, 0, 0]);
    const root = await folder(t, await encodePng(values, 4, 3, 1));
    await t.rejects((await SegmentationDataset.open(root, 'train', idd26)).load(0), {
      code: 'LABEL_VALUE',
      message:
        /"idd26": 40 \(1 pixels\), 99 \(2 pixels\); the first, 99, at x 1, y 1\. For labellevel3Ids files it defines 0…25, 255\./,
    });
  },
);

t.test('many foreign values are listed in part', async (t) => {
  const values = new Uint8Array(12).map((_, i) => 100 + i);
  const root = await folder(t, await encodePng(values, 4, 3, 1));
  await t.rejects((await SegmentationDataset.open(root, 'train', idd26)).load(0), {
    code: 'LABEL_VALUE',
    message: /107 \(1 pixels\) and 4 more values/,
  });
});

t.test('16-bit labels are taken, and their high values refused like any other', async (t) => {
  const wide = async (value: number): Promise<Buffer> => {
    const values = new Uint16Array(12).fill(5);
    values[11] = value;
    const image = sharp(values, { raw: { width: 4, height: 3, channels: 1 } });
    return await image.toColourspace('grey16').png().toBuffer();
  };
  const good = await folder(t, await wide(25));
  t.same(
    [...(await (await SegmentationDataset.open(good, 'train', idd26)).load(0)).label.data].slice(-2),
    [5, 25],
  );
  await t.test('a value of 300', async (t) => {
    const bad = await folder(t, await wide(300));
    await t.rejects((await SegmentationDataset.open(bad, 'train', idd26)).load(0), {
      code: 'LABEL_VALUE',
      message: /300 \(1 pixels\)/,
    });
  });
});

t.test('polygons are drawn as they are read', async (t) => {
  const objects = [
    { label: 'sky', polygon: [[0, 0], [3, 0], [3, 2], [0, 2]] },
    { label: 'cargroup', polygon: [[1, 1], [2.9, 1.9], [1, 1]] },
    { label: 'license plate', polygon: [[3, 2], [3, 2], [3, 2]] },
    { label: 'bus', polygon: [[0, 0]] },
  ]; // prettier-ignore
  const write = (imgHeight: number, more: object[] = []) =>
    writeTree(t, {
      'leftImg8bit/train/a/1_leftImg8bit.png': picture,
      'gtFine/train/a/1_gtFine_polygons.json': JSON.stringify({
        imgWidth: 4,
        imgHeight,
        objects: [...objects, ...more],
      }),
    });
  const data = await SegmentationDataset.open(await write(3), 'train', idd26);
  t.equal(data.labelKind, 'polygons');
  t.same([...(await data.load(0)).label.data], [25, 25, 25, 25, 25, 9, 9, 25, 25, 25, 25, 255]);
  const sizes = await SegmentationDataset.open(await write(5), 'train', idd26);
  await t.rejects(sizes.load(0), { code: 'LABEL_SIZE', message: /1_gtFine_polygons\.json is 5×4 .* is 3×4/ });
  const more = [{ label: 'x', polygon: [[0, 0], [0, 0], [0, 0]] }]; // prettier-ignore
  const unknown = await SegmentationDataset.open(await write(3, more), 'train', idd26);
  t.equal((await unknown.load(0)).label.data[0], 255);
  await unknown.load(0);
  t.same(unknown.objectCounts, { skippedObjects: { bus: 1 }, unknownLabels: { x: 1 } }, 'counted once');
  const strict = await SegmentationDataset.open(await write(3, more), 'train', idd26, { unknown: 'refuse' });
  await t.rejects(strict.load(0), { code: 'DATASET', message: /objects\[4\] \("x"\)/ });
});

t.test('an index out of range is INVALID_ARGUMENT, a broken image IMAGE', async (t) => {
  const root = await folder(
    t,
    await encodePng(new Uint8Array(12), 4, 3, 1),
    'labellevel3Ids',
    Buffer.from('no'),
  );
  const data = await SegmentationDataset.open(root, 'train', idd26);
  await t.rejects(data.load(1), { code: 'INVALID_ARGUMENT', message: /samples 0 to 0, but sample 1/ });
  await t.rejects(data.load(0), { code: 'IMAGE', message: /1_leftImg8bit\.png cannot be decoded/ });
});
