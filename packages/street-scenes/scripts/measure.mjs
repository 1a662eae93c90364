// How good a pretrained network is, by what `demo` does with it: ADE20K classes as they are, and IDD's 26 classes by a new head.
//   node packages/street-scenes/scripts/measure.mjs --network DIR --out DIR [--device cuda] [--train 150] [--unseen 60] [--seed 1]
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import '../typescript.mjs';

const { convert } = await import('../../../lib/model/convert.ts');
const { engine } = await import('../../../lib/native/engine.ts');
const { measureAde, measureIdd, writeScenes } = await import('./pretrain/measure.mjs');

const { values } = parseArgs({
  options: {
    network: { type: 'string' },
    out: { type: 'string' },
    device: { type: 'string', default: 'cpu' },
    train: { type: 'string', default: '150' },
    val: { type: 'string', default: '30' },
    unseen: { type: 'string', default: '60' },
    seed: { type: 'string', default: '1' },
    epochs: { type: 'string', default: '20' },
    lr: { type: 'string', default: '3e-2' },
    loss: { type: 'string', default: 'nll' },
    'probe-lr': { type: 'string', default: '1e-2' },
    threads: { type: 'string' },
    'image-size': { type: 'string', default: '256' },
    width: { type: 'string', default: '256' },
    height: { type: 'string', default: '192' },
  },
});
if (!values.network || !values.out) throw new Error('--network DIR and --out DIR are needed');
const number = (name) => Number(values[name]);
if (values.threads) engine().setThreads(number('threads'));
const size = { width: number('width'), height: number('height') };
const folders = {
  data: join(values.out, 'data'),
  unseen: join(values.out, 'unseen'),
  runs: join(values.out, 'runs'),
};
const counts = { train: number('train'), val: number('val') };
await writeScenes(folders.data, { ...counts, seed: 600 + number('seed'), ...size });
await writeScenes(folders.unseen, { train: 0, val: number('unseen'), seed: 700, ...size });
const path = join(values.network, 'model.pt');
if (!existsSync(path))
  await convert({
    backbone: join(values.network, 'backbone.safetensors'),
    head: join(values.network, 'head.safetensors'),
    out: path,
  });
const options = {
  device: values.device,
  imageSize: number('image-size'),
  seed: number('seed'),
  epochs: number('epochs'),
  lr: number('lr'),
  loss: values.loss,
  probeLr: number('probe-lr'),
};
const show = (name, { mIoU }) => console.log(`${name.padEnd(16)} mIoU ${(100 * mIoU).toFixed(2)} %`);
show('ade', await measureAde(path, folders.unseen, options));
const results = await measureIdd(path, folders, options);
for (const [name, result] of Object.entries(results)) show(name, result);
const share = (iou) => (iou === null ? '–' : (100 * iou).toFixed(0));
console.log(results.trained.classes.map(({ name, iou }) => `${name} ${share(iou)}`).join(', '));
