/** Where photographs were taken, by their EXIF blocks. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import t from 'tap';
import { withGps } from '../../lib/features/gps.js';
import { imagesOfManifest } from '../../lib/features/manifest.js';
import { imagesOfPaths } from '../../lib/images/images-of-paths.js';

const root = t.testdir();
const folder = join(root, 'in');
mkdirSync(folder);
const paris = {
  GPSLatitudeRef: 'N',
  GPSLatitude: '48/1 51/1 2376/100',
  GPSLongitudeRef: 'E',
  GPSLongitude: '2/1 21/1 792/100',
};
const santiago = {
  GPSLatitudeRef: 'S',
  GPSLatitude: '33/1 27/1 0/1',
  GPSLongitudeRef: 'W',
  GPSLongitude: '70/1 40/1 12/1',
};

async function photograph(name: string, gps?: Record<string, string>): Promise<void> {
  const plain = sharp({ create: { width: 8, height: 8, channels: 3, background: '#c04020' } }).jpeg();
  await (gps ? plain.withExif({ IFD3: gps }) : plain).toFile(join(folder, name));
}

await photograph('a.jpg', paris);
await photograph('b.jpg', santiago);
await photograph('c.jpg');
await photograph('d.jpg', { ...paris, GPSLatitude: '148/1 51/1 0/1' });
await photograph('e.jpg', { GPSLatitudeRef: 'N', GPSLatitude: '48/1 51/1 0/1' });
writeFileSync(join(folder, 'f.jpg'), 'no image');

t.test('degrees, minutes and seconds become decimal degrees; what is unknown or odd is empty', async (t) => {
  const seen: number[] = [];
  const images = await withGps(await imagesOfPaths([folder]), { onProgress: (done) => seen.push(done) });
  t.same(images.carried, ['lat', 'lon']);
  t.same(images.carriedKinds, ['number', 'number']);
  t.same(
    images.entries.map(({ carried }) => carried),
    [
      ['48.8566', '2.3522'],
      ['-33.45', '-70.67'],
      ['', ''],
      ['', ''],
      ['', ''],
      ['', ''],
    ],
  );
  t.same(seen, [1, 2, 3, 4, 5, 6]);
});

t.test('they follow the columns of a manifest, which has none of its own', async (t) => {
  const manifest = join(root, 'm.csv');
  writeFileSync(manifest, 'image,score\nin/b.jpg,3\n');
  const images = await withGps(await imagesOfManifest(manifest));
  t.same(images.carried, ['score', 'lat', 'lon']);
  t.same(images.entries[0]!.carried, ['3', '-33.45', '-70.67']);
  writeFileSync(manifest, 'image,lat,lon\nin/b.jpg,3,4\n');
  await t.rejects(withGps(await imagesOfManifest(manifest)), {
    code: 'MANIFEST',
    message: /Leave out --gps/,
  });
});
