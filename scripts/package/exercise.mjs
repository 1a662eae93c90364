// Runs inside a project that has installed the package: needs the addon, the codec, threads, and every folder of the
// package that dist/ reads. Prints what it computed as JSON.
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import * as seg from 'dinov3-seg';

const folder = dirname(createRequire(import.meta.url).resolve('dinov3-seg/package.json'));
const scratch = mkdtempSync(join(tmpdir(), 'dinov3-seg-exercise-'));

async function tensor() {
  const made = seg.Tensor.from(Float32Array.of(1, 2, 3, 4, 5, 6), [3, 2]);
  return [...(await made.slice(1, 2).take())].join(' ');
}

/** A network of models/, read by the engine, and a photo through the codec. */
async function classMap() {
  const [backbone, head] = ['backbone', 'head'].map((name) =>
    join(folder, `models/street-small/${name}.safetensors`),
  );
  const out = join(scratch, 'model.pt');
  await seg.convert({ backbone, head, out, dtype: 'float32' });
  const [model, classHead] = [await seg.SegmentationModel.load(out), await seg.ClassHead.open(head)];
  const data = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7 + (i >> 6) * 13) % 256);
  const photo = await seg.encodePng(data, 64, 64, 3);
  const map = await model.segment(photo, { head: classHead, imageSize: 64 });
  return createHash('sha256').update(map.data).digest('hex').slice(0, 12);
}

/** So many annotations that threads read them. */
async function labelImages() {
  const annotation = {
    imgHeight: 3,
    imgWidth: 5,
    objects: [{ label: 'car', polygon: [[0, 0], [4, 0], [4, 1], [0, 1]] }], // prettier-ignore
  };
  const sequence = join(scratch, 'gtFine/train/a');
  mkdirSync(sequence, { recursive: true });
  for (let i = 0; i < 32; i++)
    writeFileSync(join(sequence, `${i}_gtFine_polygons.json`), JSON.stringify(annotation));
  return (await seg.prepareIdd(scratch, { jobs: 2 })).written;
}

const page = () => seg.renderReport({ title: 'Page', lead: 'Nothing.', made: 'now', sections: [] });

try {
  const map = await seg.readFeatureMap(seg.featureMapPath('ade26'));
  const computed = {
    folder,
    tensor: await tensor(),
    classMap: await classMap(),
    labelImages: await labelImages(),
    featureMap: map.name,
    report: page().includes('<style>'),
  };
  console.log(JSON.stringify(computed));
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
