/** Live training: every image goes through the network in every epoch. */
import { optionsFor } from '../arguments.js';
import type { SegmentationDataset } from '../data/dataset.js';
import { ClassHead } from '../model/class-head.js';
import { loadOptions } from '../model/load-options.js';
import { SegmentationModel } from '../model/segmentation-model.js';
import { evaluationBatch } from '../evaluate/batches.js';
import { trainingBatches } from './batches.js';
import type { TrainConfig } from './config.js';
import { evaluate } from '../evaluate/evaluate.js';
import { newHead } from './initial-head.js';
import { cosineLearningRate, scheduleOf } from './schedule.js';
import type { Evaluation } from '../evaluate/evaluation.js';
import type { HeadTrainer, TrainedBatches } from './trainer.js';

/** A network and a head that learns from it. */
export class LiveTrainer implements HeadTrainer {
  readonly cacheFill = undefined;

  private constructor(
    private readonly config: TrainConfig,
    private readonly model: SegmentationModel,
    private readonly trainSet: SegmentationDataset,
    private readonly valSet: SegmentationDataset,
    readonly head: ClassHead,
  ) {}

  /** @param last a head file to go on from. */
  static async open(
    config: TrainConfig,
    datasets: { train: SegmentationDataset; val: SegmentationDataset },
    last: string | undefined,
  ): Promise<LiveTrainer> {
    const model = await SegmentationModel.load(config.model, optionsFor(loadOptions, config));
    let head: ClassHead | undefined;
    try {
      const { classSet } = datasets.train;
      head = last
        ? await ClassHead.load(last, { device: model.device, precision: config.headPrecision })
        : await newHead(config, classSet, model.hidden);
      head.assertFits(model);
      return new LiveTrainer(config, model, datasets.train, datasets.val, head);
    } catch (error) {
      head?.dispose();
      model.dispose();
      throw error;
    }
  }

  get device(): string {
    return this.model.device;
  }

  get outputs(): number {
    return this.head.classes;
  }

  async *train(epoch: number, firstBatch: number): AsyncGenerator<TrainedBatches, void, void> {
    const { config, model, head, trainSet } = this;
    const { accumulate, learningRate: initial, weightDecay, maxNorm } = config;
    const { batchesPerEpoch, stepsPerEpoch, totalSteps } = scheduleOf({ ...config, images: trainSet.length });
    let done = firstBatch;
    for await (using batch of trainingBatches(trainSet, config, epoch, firstBatch)) {
      using decoded = await model.decode(batch.images);
      const { loss } = await head.accumulate(decoded, batch.labels, 1 / accumulate);
      done++;
      const stepped = done % accumulate === 0 || done === batchesPerEpoch;
      if (stepped && Number.isFinite(loss)) {
        const step = (epoch - 1) * stepsPerEpoch + Math.ceil(done / accumulate) - 1;
        const learningRate = cosineLearningRate(initial, step, totalSteps);
        await head.step({ learningRate, weightDecay, maxNorm });
      }
      yield { batches: 1, images: batch.count, losses: [loss * batch.count], stepped };
    }
  }

  async outputsOf(index: number): ReturnType<HeadTrainer['outputsOf']> {
    const { model, valSet, config } = this;
    using batch = await evaluationBatch(valSet, [index], { ...config, device: model.device });
    return model.decode(batch.images);
  }

  async evaluate(options: {
    signal?: AbortSignal;
    onProgress?: (done: number, total: number) => void;
  }): Promise<Evaluation> {
    // Passes of a size that the settings give: figures are those of a run that never stopped, to the bit.
    const { imageSize, prefetch, batchSize: passSize } = this.config;
    return evaluate(this.model, this.head, this.valSet, { imageSize, prefetch, passSize, ...options });
  }

  [Symbol.dispose](): void {
    this.head.dispose();
    this.model.dispose();
  }
}
