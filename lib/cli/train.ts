import { join } from 'node:path';
import { headKinds, lossNames } from '../train/config.js';
import { train } from '../train/loop.js';
import type { TrainProgress } from '../train/train-hooks.js';
import type { ProgressUpdate } from '../train/progress.js';
import { withoutUndefined } from '../without-undefined.js';
import { camelCased, command } from './command.js';
import { next, note, print, printResult, progressBar } from './output.js';
import { cacheFlags, dataFlags, placementFlags, jsonFlag } from './shared-flags.js';
import { sweepText } from './text.js';

export default command({
  name: 'train',
  summary: 'Trains class_embed on labelled images, the rest of the network frozen.',
  flags: {
    model: { type: 'text', value: 'FILE', help: 'the network, a TorchScript file written by convert' },
    data: {
      type: 'text',
      value: 'DIR',
      help: 'labelled images with splits train and val (docs/data.md), or a list of pairs',
    },
    out: { type: 'text', value: 'RUN', required: true, help: 'run folder to make, or to go on with' },
    classes: {
      type: 'text',
      value: 'C',
      help: 'class set: idd26 (default), idd26-reference, cityscapes19, ade150, FILE.json',
    },
    ...dataFlags,
    epochs: { type: 'integer', least: 1, value: 'N', help: 'default 20' },
    lr: {
      type: 'number',
      least: 0,
      setting: 'learningRate',
      value: 'X',
      help: 'learning rate at the start; cosine to 0 (default 1e-4)',
    },
    'weight-decay': { type: 'number', least: 0, value: 'X', help: 'of AdamW (default 1e-4)' },
    'batch-size': { type: 'integer', least: 1, value: 'N', help: 'images at a time (default 1)' },
    accumulate: { type: 'integer', least: 1, value: 'N', help: 'batches a step (default 1)' },
    'max-norm': {
      type: 'number',
      least: 0,
      value: 'X',
      help: 'gradient norm to clip to, 0: none (default 1)',
    },
    'image-size': {
      type: 'integer',
      least: 1,
      value: 'N',
      help: 'width and height, a multiple of 32 (default 512)',
    },
    patience: {
      type: 'integer',
      least: 0,
      value: 'N',
      help: 'epochs without a better mIoU, 0: no limit (default 10)',
    },
    mode: {
      type: 'text',
      choices: ['cached', 'live'],
      help: 'cached: images go through the network once (default); live: in every epoch, jittered anew',
    },
    ...cacheFlags,
    'head-kind': {
      type: 'text',
      choices: headKinds,
      help: "class_embed (default); linear_probe: batch norm and 1×1 convolution on the backbone's last layer",
    },
    loss: { type: 'text', choices: lossNames, help: 'default reference: the recipe' },
    'class-weights': {
      type: 'text',
      value: 'W',
      help: 'none (default), frequency, or FILE.json with weights by class name',
    },
    'init-head': {
      type: 'text',
      choices: ['xavier', 'map'],
      help: "first weights: random (default), or rows of the network's own 151-class head",
    },
    'class-map': {
      type: 'text',
      value: 'FILE.json',
      help: 'which ADE20K classes each class takes with --init-head map (default: the built-in map)',
    },
    sweep: {
      type: 'text',
      value: 'S',
      help: 'heads side by side, e.g. "lr=1e-4,3e-4;loss=reference,nll;class-weights=none,frequency"',
    },
    folds: { type: 'integer', least: 0, value: 'K', help: 'cross-validation on the training images' },
    flip: {
      type: 'number',
      least: 0,
      most: 1,
      value: 'X',
      help: 'probability of a horizontal flip (default 0.5)',
    },
    brightness: { type: 'number', least: 0, most: 1, value: 'X', help: 'colour jitter (default 0.3)' },
    contrast: { type: 'number', least: 0, most: 1, value: 'X', help: 'colour jitter (default 0.3)' },
    saturation: { type: 'number', least: 0, most: 1, value: 'X', help: 'colour jitter (default 0.3)' },
    hue: { type: 'number', least: 0, most: 0.5, value: 'X', help: 'colour jitter (default 0.1)' },
    seed: { type: 'integer', least: 0, value: 'N', help: 'of weights, order and augmentation (default 0)' },
    'head-precision': {
      type: 'text',
      choices: ['bfloat16', 'float32'],
      help: "of the head's layer (default bfloat16)",
    },
    ...placementFlags,
    prefetch: { type: 'integer', least: 1, value: 'N', help: 'batches prepared ahead (default 4)' },
    'save-every-seconds': {
      type: 'number',
      least: 0,
      value: 'X',
      help: 'saves within an epoch, too (default 300)',
    },
    resume: { type: 'boolean', help: 'goes on with the run in --out, with its own settings' },
    ...jsonFlag,
  },
  notes: 'Ctrl-C stops after the current step; --resume then goes on exactly there.',
  stoppable: true,
  async run({ flags, signal }) {
    const { lr: learningRate, resume, json, ...others } = flags;
    const given = camelCased(withoutUndefined({ ...others, learningRate }));
    const bar = progressBar();
    const result = await train(given, {
      signal,
      resume: resume ?? false,
      onProgress: (progress) => bar.update(barUpdate(progress)),
      onLog: note,
    });
    const { heads, reportError, ...short } = result;
    printResult(json && heads ? { ...short, heads } : short, json);
    if (heads && !json) print(sweepText(heads));
    if (reportError) return 1; // why is in the log
    if (result.best === null) return 0;
    const head = `--head ${join(result.out, 'best.safetensors')}`;
    next(
      `dinov3-seg features --model ${flags.model ?? 'M'} ${head} --output T.csv IMAGE…, or predict, or eval`,
    );
    return 0;
  },
});

/** What the bar shows of a run's progress. */
export function barUpdate({ phase, epoch, epochs, ...rest }: TrainProgress): ProgressUpdate {
  const labels = {
    check: 'reading the cache',
    cache: 'filling the cache',
    train: `epoch ${epoch}/${epochs}`,
    evaluate: `epoch ${epoch}/${epochs} evaluation`,
  };
  return {
    label: labels[phase],
    ...rest,
    ...((phase === 'check' || phase === 'cache') && { unit: 'records' }),
  };
}
