/** Which images reports of evaluations show. */
import t from 'tap';
import { imagesTable, shownImages } from '../../lib/evaluate/shown-images.js';

t.test('half of the images that are shown have the lowest IoU, the others are spread evenly', async (t) => {
  const ious = Array.from({ length: 20 }, (_, i) =>
    i === 3 ? null : i === 17 || i === 6 ? 0.1 : 0.5 + i / 100,
  );
  t.same(shownImages(20, ious, 4), {
    places: [0, 6, 10, 17],
    note: '4 of 20 images: the 2 with the lowest IoU, the others spread evenly.',
  });
  t.same(shownImages(3, [0.1, 0.2, 0.3], 8), { places: [0, 1, 2], note: 'All 3 images.' });
  t.same(shownImages(1, [0.1], 8), { places: [0], note: 'The only image.' });
  t.same(shownImages(0, [], 8).places, []);
  const before = { places: [0, 5, 10, 15], note: '4 of 20 images, spread evenly.' };
  t.same(shownImages(20, undefined, 4), before, 'results of earlier releases');
  t.same(shownImages(20, new Array<null>(20).fill(null), 4), before, 'images without a labelled pixel');
});

t.test('images are listed by name, the lowest IoU first', async (t) => {
  const pairs = Array.from({ length: 150 }, (_, i) => ({ name: `image ${i}`, image: '', label: '' }));
  const imageIou = pairs.map((_, i) => (i === 0 ? null : 1 - i / 200));
  const table = imagesTable({ pairs }, { imageIou })!;
  t.equal(table.rows.length, 100);
  t.same(table.rows[0], ['image 149', { text: '25.5 %', value: 1 - 149 / 200 }]);
  t.match(table.note, /The 100 lowest of 149 images\. 1 image without labelled pixels left out\./);
  t.equal(imagesTable({ pairs }, { imageIou: [] }), undefined);
});
