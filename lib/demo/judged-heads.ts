/** Heads for IDD's 26 classes on the shipped network, from several seeds: before training, after it, and a linear probe. */
import { dirname, join } from 'node:path';
import type { SegmentationDataset } from '../data/dataset.js';
import { openHead } from '../model/open-head.js';
import type { SegmentationHead } from '../model/segmentation-head.js';
import type { SegmentationModel } from '../model/segmentation-model.js';
import { trainDefaults, type HeadKind, type TrainConfig } from '../train/config.js';
import { evaluateHeads } from '../evaluate/evaluate.js';
import { newHead } from '../train/initial-head.js';
import { train } from '../train/loop.js';
import { headKinds } from '../train/settings.js';
import type { TrainHooks } from '../train/train-hooks.js';
import type { Evaluation } from '../evaluate/evaluation.js';
import { counted } from '../text.js';

/** Ways to get a head, in the order of the demo's table. */
export const headWays = ['xavier', 'mapped', 'trained', 'probe'] as const;
/** One of {@link headWays}. */
export type HeadWay = (typeof headWays)[number];

/** Names of the ways in texts. */
export const wayTexts: Record<HeadWay, string> = {
  xavier: 'random start',
  mapped: 'mapped start',
  trained: 'trained head',
  probe: 'linear probe',
};

/** The heads of a seed. */
export interface JudgedSeed {
  seed: number;
  /** On the unseen scenes. */
  evaluations: Record<HeadWay, Evaluation>;
  /** The files of the trained heads. */
  heads: Record<'trained' | 'probe', string>;
}

/** Options of {@link judgeHeads}. */
export interface JudgeOptions {
  model: SegmentationModel;
  data: string;
  unseen: SegmentationDataset;
  /** Folder for run folders and caches. */
  folder: string;
  seeds: readonly number[];
  epochs: number;
  imageSize: number;
  /** Images that go through the network together. */
  passSize: number;
  hooks: Pick<TrainHooks, 'signal' | 'onLog'>;
}

function configOf({ model, data, epochs, imageSize, passSize }: JudgeOptions, seed: number): TrainConfig {
  return {
    ...trainDefaults,
    ...{ model: model.path, data, out: '', classes: 'idd26', device: model.device, imageSize, seed, epochs },
    ...{ learningRate: 1e-2, batchSize: 4, headPrecision: 'float32', passSize },
    // Mirrored scenes would go through the network, too: twice that time, for 1.4 points of mIoU.
    flip: 0,
  };
}

/** `nll` learns rare classes sooner than the recipe's loss. A linear probe has only the recipe's loss. */
const settingsOf = { class_embed: { loss: 'nll' }, linear_probe: { loss: 'cross-entropy' } } as const;

function headFile(folder: string, headKind: HeadKind, seed: number): string {
  return join(folder, `${headKind}-${seed}`, 'best.safetensors');
}

/** Trains the heads of every seed, all from one cache, and evaluates them in one pass. @throws as {@link train} */
export async function judgeHeads(options: JudgeOptions): Promise<JudgedSeed[]> {
  const { model, unseen, folder, seeds, imageSize, passSize, hooks } = options;
  const { signal, onLog = () => {} } = hooks;
  const heads: SegmentationHead[] = [];
  try {
    for (const seed of seeds) {
      const config = configOf(options, seed);
      for (const initHead of ['xavier', 'map'] as const)
        heads.push(await newHead({ ...config, initHead }, unseen.classSet, model.hidden));
      for (const headKind of headKinds) {
        const file = headFile(folder, headKind, seed);
        const settings = { ...config, ...settingsOf[headKind], cache: join(folder, `${headKind}-cache`) };
        const { best } = await train(
          { ...settings, headKind, out: dirname(file) },
          { ...(signal && { signal }) },
        );
        const mIoU = (100 * (best?.mIoU ?? 0)).toFixed(1);
        onLog(
          `seed ${seed}, ${headKind}: best mIoU on the validation scenes ${mIoU} %, in epoch ${best?.epoch}`,
        );
        heads.push(await openHead(file, { device: model.device }));
      }
    }
    onLog(
      `evaluating ${heads.length} heads on ${counted(unseen.length, 'unseen scene')}, in one pass of the network`,
    );
    const evaluations = await evaluateHeads(model, heads, unseen, {
      imageSize,
      passSize,
      ...(signal && { signal }),
    });
    return seeds.map((seed, i) => ({
      seed,
      heads: {
        trained: headFile(folder, 'class_embed', seed),
        probe: headFile(folder, 'linear_probe', seed),
      },
      evaluations: Object.fromEntries(
        headWays.map((way, k) => [way, evaluations[i * headWays.length + k]!]),
      ) as Record<HeadWay, Evaluation>,
    }));
  } finally {
    for (const head of heads) head.dispose();
  }
}
