/** What is drawn on pictures: names beside their boxes, in letters that can be read, however small the picture is. */
import t, { type Test } from 'tap';
import { boxesSvg, drawBoxes, enlargement, placedLabels, withLines } from '../../lib/features/annotation.js';
import type { Detection } from '../../lib/model/detections.js';

const object = (x: number, y: number, width: number, height: number, name = 'person'): Detection => ({
  ...{ x, y, width, height, name, score: 0.734, label: 1 },
});

type Area = Pick<Detection, 'x' | 'y' | 'width' | 'height'>;

function overlap(a: Area, b: Area): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  return Math.max(0, width) * Math.max(0, height);
}

/** Boxes of an image and their names as they are drawn. */
function drawnOn(size: { width: number; height: number }, boxes: readonly Detection[]) {
  const scale = enlargement(size);
  const picture = { width: scale * size.width, height: scale * size.height };
  const scaled = boxes.map((box) => ({
    ...box,
    ...{ x: scale * box.x, y: scale * box.y, width: scale * box.width, height: scale * box.height },
  }));
  return { picture, boxes: scaled, labels: placedLabels(picture, scaled) };
}

function checkPlaces(t: Test, size: { width: number; height: number }, given: readonly Detection[]): void {
  const { picture, boxes, labels } = drawnOn(size, given);
  for (const [i, label] of labels.entries()) {
    t.ok(
      label.x >= 0 &&
        label.y >= 0 &&
        label.x + label.width <= picture.width &&
        label.y + label.height <= picture.height,
      `${label.text} ${i} lies in the picture`,
    );
    t.equal(overlap(label, boxes[i]!), 0, `it does not cover box ${i}`);
    for (const other of labels.slice(0, i)) t.equal(overlap(label, other), 0, 'nor another name');
  }
}

for (const [width, height] of [
  [64, 64],
  [320, 240],
  [1920, 1080],
] as const)
  t.test(`names stand beside their boxes on a picture of ${width}×${height}`, async (t) => {
    const at = (x: number, y: number, w: number, h: number) =>
      object(x * width, y * height, w * width, h * height);
    checkPlaces(t, { width, height }, [at(0.4, 0.3, 0.2, 0.4)]);
    checkPlaces(t, { width, height }, [at(0, 0, 0.2, 0.4), at(0.8, 0, 0.2, 0.5), at(0.85, 0.7, 0.15, 0.3)]);
    checkPlaces(t, { width, height }, [at(0.3, 0.4, 0.1, 0.3), at(0.35, 0.4, 0.1, 0.3)]);
    checkPlaces(t, { width, height }, [at(0, 0, 1, 0.5)]);
    checkPlaces(t, { width, height }, [at(0.4, 0, 0.2, 1)]);
  });

t.test('a box that fills the picture has its name in a corner', async (t) => {
  const { picture, labels } = drawnOn({ width: 64, height: 64 }, [object(0, 0, 64, 64)]);
  t.match(labels, [{ x: 0, y: 0 }]);
  const share = (labels[0]!.width * labels[0]!.height) / (picture.width * picture.height);
  t.ok(share < 0.02, `it covers ${share} of the picture`);
});

t.test('small pictures are made larger, so that letters have 12 pixels and lines 2', async (t) => {
  t.same(
    [
      [64, 64],
      [320, 240],
      [640, 480],
      [1920, 1080],
      [1, 1],
      [4000, 10],
    ].map(([width, height]) => enlargement({ width: width!, height: height! })),
    [8, 2, 1, 1, 480, 1],
  );
  const image = { data: new Uint8Array(64 * 64 * 3).fill(90), width: 64, height: 64 };
  const drawn = await drawBoxes(image, [object(20, 20, 20, 20)]);
  t.same([drawn.width, drawn.height], [512, 512]);
  const pixel = (x: number, y: number) => [...drawn.data.subarray(3 * (y * 512 + x)).subarray(0, 3)];
  t.same(pixel(160, 240), [255, 255, 0], 'the left edge of the box, 8 times as far');
  t.same(pixel(240, 240), [90, 90, 90], 'what is in it is not covered');
  const svg = boxesSvg({ width: 512, height: 512 }, [object(20, 20, 20, 20)]);
  t.match(svg, /stroke-width="2"/);
  t.match(svg, /<path aria-label="person 0.73"/);
  t.equal(await drawBoxes(image, []), image, 'nothing to draw');
});

t.test('lines stand below the picture and cover nothing of it', async (t) => {
  const image = { data: new Uint8Array(64 * 48 * 3).fill(200), width: 64, height: 48 };
  const { data, width, height } = await withLines(image, ['seg_vit_road 34.2 %', 'seg_vit_sky 20.0 %']);
  t.same([width, height > 480], [640, true]);
  t.ok(
    data.subarray(0, 3 * width * 480).every((value) => value === 200),
    'the picture is as it was',
  );
  const strip = data.subarray(3 * width * 480);
  t.ok(strip.includes(0) && strip.some((value) => value > 200), 'light letters on black');
});

t.test('names are escaped', async (t) => {
  t.match(
    boxesSvg({ width: 640, height: 480 }, [object(9, 99, 9, 9, '<b>&')]),
    'aria-label="&lt;b>&amp; 0.73"',
  );
});
