/** The whole job on built-in data: a small random network, drawn scenes, training, evaluation, prediction. */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { loadClassSet } from '../data/class-sets.js';
import { SegmentationDataset } from '../data/dataset.js';
import { DinoSegError } from '../errors.js';
import { atomicWriteFile, readError, writeError } from '../files.js';
import { ClassHead } from '../model/class-head.js';
import { convert } from '../model/convert.js';
import { SegmentationModel } from '../model/segmentation-model.js';
import { engine } from '../native/engine.js';
import type { TrainConfig } from '../train/config.js';
import { evaluate } from '../train/evaluate.js';
import type { Evaluation } from '../train/tally.js';
import { train } from '../train/loop.js';
import { predict } from '../train/predict.js';
import { writeDemoDataset } from './write-dataset.js';

/** How large the demo is, and where it goes. */
export interface DemoOptions {
  /** Folder to write to; one of an earlier demo is replaced. */
  out: string;
  /** Scenes to train on. Default 24. */
  train?: number;
  /** Scenes to choose the best epoch by. Default 8. */
  val?: number;
  /** Default 8. */
  epochs?: number;
  /** Stops between two steps, with what is written so far left in `out`. */
  signal?: AbortSignal;
  /** Hears what is being done, a line at a time. */
  onLog?: (line: string) => void;
}

const seed = 7;
const imageSize = 192;
const unseenScenes = 8;
const predictedScenes = 3;
const marker = 'Made by `dinov3-seg demo`: nothing in this folder is real data.';

/**
 * Runs the demo.
 *
 * @returns what was reached and where to look, as text.
 * @throws DinoSegError RUN when `out` holds something else than an earlier demo; ABORTED; what its steps throw.
 */
export async function runDemo(options: DemoOptions): Promise<string> {
  const { signal, onLog = () => {}, epochs = 8 } = options;
  const started = performance.now();
  const out = resolve(options.out);
  const at = (...parts: string[]) => join(out, ...parts);
  await startFolder(out);

  onLog('a small network with the structure of DINOv3 + Mask2Former and random weights');
  const checkpoint = {
    backbone: at('checkpoints/backbone.safetensors'),
    head: at('checkpoints/head.safetensors'),
  };
  await mkdir(at('checkpoints'));
  await engine().initCheckpoint({ architecture: 'tiny', seed, ...checkpoint });
  await convert({ ...checkpoint, out: at('model.pt') });

  onLog('street scenes, drawn at random');
  const counts = { train: options.train ?? 24, val: options.val ?? 8 };
  await writeDemoDataset(at('data'), { ...counts, seed });
  // Of another seed, so that neither the weights nor the choice of the best epoch have seen them.
  await writeDemoDataset(at('unseen'), { train: 0, val: unseenScenes, seed: seed + 1 });

  const config: Partial<TrainConfig> = {
    model: at('model.pt'),
    data: at('data'),
    out: at('run'),
    classes: 'idd26',
    epochs,
    learningRate: 3e-2,
    imageSize,
    seed,
    device: 'cpu',
  };
  const hooks = { onLog, ...(signal && { signal }) };
  using model = await SegmentationModel.load(at('model.pt'));
  const classSet = await loadClassSet('idd26');
  const unseen = await SegmentationDataset.open(at('unseen'), 'val', classSet);
  using untrained = ClassHead.create({ hidden: model.hidden, classes: classSet, seed });
  const before = await evaluate(model, untrained, unseen, { imageSize, ...(signal && { signal }) });
  await train(config, hooks);
  using head = await ClassHead.load(at('run/best.safetensors'));
  const after = await evaluate(model, head, unseen, { imageSize, ...(signal && { signal }) });
  await atomicWriteFile(at('evaluation.json'), `${JSON.stringify({ before, after }, null, 2)}\n`);
  const pictures = unseen.pairs.slice(0, predictedScenes).map(({ image }) => image);
  await predict(model, pictures, {
    head,
    classSet,
    imageSize,
    output: at('predictions'),
    ...(signal && { signal }),
  });

  return summary({ out, before, after, seconds: (performance.now() - started) / 1000 });
}

async function startFolder(out: string): Promise<void> {
  try {
    if (existsSync(out)) await clear(out);
    await mkdir(out, { recursive: true });
    await writeFile(join(out, 'README.txt'), `${marker}\n`);
  } catch (cause) {
    throw writeError(out, cause);
  }
}

async function clear(out: string): Promise<void> {
  const names = await readdir(out).catch((cause: unknown) => {
    throw readError(out, cause);
  });
  const own =
    names.includes('README.txt') && (await readFile(join(out, 'README.txt'), 'utf8')).startsWith(marker);
  if (!own && names.length > 0)
    throw new DinoSegError(
      'RUN',
      `${out} holds something else (${names.slice(0, 4).join(', ')}). Give a new or empty folder by --out.`,
    );
  await rm(out, { recursive: true, force: true });
}

function summary(result: { out: string; before: Evaluation; after: Evaluation; seconds: number }): string {
  const { out, before, after, seconds } = result;
  const share = (value: number | null) => (value === null ? '–' : `${(100 * value).toFixed(1)} %`);
  return [
    'The network is a small one with random weights and the street scenes are drawn: the figures say that the whole',
    'chain works, and nothing about real photographs.',
    '',
    'On scenes that training did not see:',
    `                 before training   after`,
    `mIoU             ${share(before.mIoU).padStart(15)}   ${share(after.mIoU)}`,
    `pixel accuracy   ${share(before.pixelAccuracy).padStart(15)}   ${share(after.pixelAccuracy)}`,
    '',
    `Done in ${seconds.toFixed(0)} s. Where to look in ${out}:`,
    '  predictions/*/comparison.png   unseen scenes, and what the network makes of them',
    '  run/metrics.jsonl              loss and mIoU of every epoch',
    '  run/best.safetensors           the trained head',
    '  evaluation.json                IoU of every class, before and after',
    '  data/, unseen/                 the scenes with their label images',
  ].join('\n');
}
