/** The files of models/street-scenes. */
import sharp from 'sharp';
import { encodePng } from '../../../lib/data/decode.js';
import type { WriteInto } from '../../../lib/files.js';
import { shippedCounts, type GrainFile } from '../../../lib/demo/shipped-scenes.js';
import { cocoAnnotations, type AnnotatedImage } from './coco-annotations.js';
import { drawPlainScene } from './scenes.js';
import { frameOf, readme, storedAde } from './write-dataset.js';

const [width, height] = [256, 192];
const { train, val, unseen } = shippedCounts;

/** Unseen scenes are of another seed, so that neither the weights nor the choice of the best epoch have seen them. */
const splits = [
  { set: 'data', split: 'train', seed: 7, first: 0, count: train },
  { set: 'data', split: 'val', seed: 7, first: train, count: val },
  { set: 'unseen', split: 'val', seed: 8, first: 0, count: unseen },
];

const png = (values: Uint8Array) => encodePng(values, width, height, 1);

/** Draws the scenes and gives their files to `write`, by names below the folder. */
export async function renderSplits(write: WriteInto): Promise<void> {
  for (const { set, split, seed, first, count } of splits) {
    const images: AnnotatedImage[] = [];
    const scenes: GrainFile['scenes'][number][] = [];
    for (let index = first; index < first + count; index++) {
      const scene = await drawPlainScene({ seed, index, width, height });
      const frame = frameOf(index);
      const picture = sharp(scene.image.data, { raw: { width, height, channels: 3 } });
      const webp = await picture.webp({ lossless: true, effort: 6 }).toBuffer();
      await write(`${set}/leftImg8bit/${split}/${frame}_leftImg8bit.webp`, webp);
      await write(`${set}/grain/${split}/${frame}_grain.png`, await png(scene.textures));
      const label = `${set}/gtFine/${split}/${frame}_gtFine`;
      await write(`${label}_labellevel3Ids.png`, await png(scene.label));
      await write(`${label}_ade150Ids.png`, await png(storedAde(scene.ade)));
      const fileName = `leftImg8bit/${split}/${frame}_leftImg8bit.png`;
      images.push({ id: index + 1, fileName, width, height, objects: scene.objects });
      scenes.push({ frame, position: scene.stream.position, ...scene.grain });
    }
    const grain: GrainFile = { seed, scenes };
    await write(`${set}/grain/${split}.json`, `${JSON.stringify(grain)}\n`);
    await write(`${set}/annotations/instances_${split}.json`, cocoAnnotations(images));
    await write(`${set}/README.txt`, readme(seed, width, height));
  }
}
