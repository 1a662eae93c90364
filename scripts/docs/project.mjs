/** The folder that a page's blocks run in: an installed package, and small stand-ins for what a reader has. */
import { cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { given } from './changes.mjs';

const released = {
  'backbone.safetensors': 'dinov3_vit7b16_pretrain_lvd1689m-a955f4ea.pth',
  'head.safetensors': 'dinov3_vit7b16_ade20k_m2f_head-bf307cb1.pth',
  'detector-head.safetensors': 'dinov3_vit7b16_coco_detr_head-b0235ff7.pth',
};
const [backbone, head, detectorHead] = Object.values(released);
const scene = { width: 96, height: 64 };

/** Makes a folder with everything that a page may be given; {@link projectOf} copies from it. */
export async function makeStore(root, folder) {
  const { ClassHead, SegmentationModel, convert, loadClassSet } = await import(join(root, 'dist/index.js'));
  const { writeDemoDataset } = await import(join(root, 'packages/street-scenes/index.mjs'));
  const at = (...parts) => join(folder, ...parts);
  mkdirSync(folder);
  for (const [name, as] of Object.entries(released)) cpSync(join(root, 'models/street-small', name), at(as));
  const common = { backbone: at(backbone), dtype: 'bfloat16' };
  await convert({ ...common, head: at(head), out: at('7b.pt') });
  await convert({ ...common, head: at(detectorHead), task: 'detection', out: at('detector.pt') });
  await writeDemoDataset(at('IDD'), { train: 4, val: 2, ...scene });
  await writePhotographs(root, at);
  await writePolygons(at('polygons'), at('IDD'));
  const model = await SegmentationModel.load(at('7b.pt'), { device: 'cpu' });
  const classes = await loadClassSet('idd26');
  for (const [seed, name] of ['head.safetensors', 'other-head.safetensors'].entries())
    await ClassHead.create({ hidden: model.hidden, classes, seed }).save(at(name), {
      metadata: { imageSize: 64, modelId: model.id },
    });
  model.dispose();
}

async function writePhotographs(root, at) {
  const { drawScene } = await import(join(root, 'packages/street-scenes/index.mjs'));
  const names = ['street.jpg', 'street/1.jpg', 'street/2.jpg', 'photos/2024-05/1.jpg', 'photos/2.jpg'];
  for (const folder of ['street', 'photos/2024-05']) mkdirSync(at(folder), { recursive: true });
  for (const [index, name] of names.entries()) {
    const { image } = await drawScene({ seed: 1, index, ...scene });
    await sharp(image.data, { raw: { ...scene, channels: 3 } })
      .jpeg()
      .toFile(at(name));
  }
  mkdirSync(at('panoramas'));
  const panorama = { width: 512, height: 256 };
  const { image } = await drawScene({ seed: 1, index: names.length, ...panorama });
  await sharp(image.data, { raw: { ...panorama, channels: 3 } })
    .jpeg()
    .toFile(at('panoramas/square.jpg'));
  await writeFile(at('survey.csv'), 'id,image,district\nA7,photos/2.jpg,North\nB1,street.jpg,South\n');
}

/** IDD as it is published: the photographs of another data set with annotations in place of label images. */
async function writePolygons(folder, dataset) {
  cpSync(join(dataset, 'leftImg8bit'), join(folder, 'leftImg8bit'), { recursive: true });
  const { width, height } = scene;
  const box = (label, top, bottom) => ({
    label,
    polygon: [
      [0, top],
      [width, top],
      [width, bottom],
      [0, bottom],
    ],
  });
  const objects = [box('sky', 0, height / 2), box('road', height / 2, height)];
  const annotation = JSON.stringify({ imgWidth: width, imgHeight: height, objects });
  for (const split of ['train', 'val']) {
    const sequence = join(folder, 'gtFine', split, 'scene');
    mkdirSync(sequence, { recursive: true });
    for (const image of readdirSync(join(folder, 'leftImg8bit', split, 'scene')))
      writeFileSync(join(sequence, image.replace('_leftImg8bit.png', '_gtFine_polygons.json')), annotation);
  }
}

/** Where a page's blocks run: with the package in node_modules, its program on PATH, and what {@link given} says. */
export function projectOf(page, root, store, folder) {
  const names = [...Object.values(released), 'street.jpg', 'street', 'photos', 'panoramas', 'survey.csv'];
  const more = given[page] ?? [];
  mkdirSync(join(folder, 'node_modules/.bin'), { recursive: true });
  for (const name of [...names, ...more.filter((name) => name !== 'polygons')])
    cpSync(join(store, name), join(folder, name), { recursive: true });
  cpSync(join(store, more.includes('polygons') ? 'polygons' : 'IDD'), join(folder, 'IDD'), {
    recursive: true,
  });
  symlinkSync(root, join(folder, 'node_modules/dinov3-seg'));
  const program = `#!/bin/sh\nexec node '${join(root, 'dist/cli/main.js')}' "$@"\n`;
  writeFileSync(join(folder, 'node_modules/.bin/dinov3-seg'), program, { mode: 0o755 });
  // A page may also be read in a clone.
  for (const name of ['dist', 'scripts', 'models', 'maps', 'packages'])
    symlinkSync(join(root, name), join(folder, name));
}
