/** Where two class maps of an image differ, as a picture of an example. */
import { resizeImage, type RgbImage } from '../../data/decode.js';
import { sizeWithin } from '../../data/preview.js';
import { mostPixels, resizedMap, type ExampleMap } from './example.js';

/** That of the page's error layer (report/layers.js). */
const differentColor = [230, 30, 60] as const;

/**
 * Draws the image in grey, and pixels of different classes red, at the size of an example.
 *
 * @throws DinoSegError SHAPE if the data of a map does not match its width and height.
 */
export async function differencePicture(
  image: RgbImage,
  a: Omit<ExampleMap, 'role'>,
  b: Omit<ExampleMap, 'role'>,
): Promise<RgbImage> {
  const size = sizeWithin(image, { width: mostPixels, height: mostPixels });
  const { data } = await resizeImage(image, size);
  const [ours, theirs] = [resizedMap(a, size), resizedMap(b, size)];
  const picture = new Uint8Array(data.length);
  for (let i = 0; i < ours.length; i++) {
    const grey = 0.3 * data[3 * i]! + 0.59 * data[3 * i + 1]! + 0.11 * data[3 * i + 2]!;
    picture.set(ours[i] === theirs[i] ? [grey, grey, grey] : differentColor, 3 * i);
  }
  return { data: picture, ...size };
}
