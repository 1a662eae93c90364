/** A run's epochs as TensorBoard shows them: event files beside metrics.jsonl. */
import { join } from 'node:path';
import type { ClassInfo } from '../data/class-set.js';
import type { SegmentationDataset } from '../data/dataset.js';
import { DinoSegError } from '../errors.js';
import type { SummaryValue } from '../report/tensorboard/event.js';
import { EventFile } from '../report/tensorboard/event-file.js';
import type { TrainConfig } from './config.js';
import type { EpochMetrics } from './epoch-metrics.js';
import { examplePng, examples } from '../evaluate/examples.js';
import type { OutputFeed } from './output-feed.js';

const exampleOptions = { most: 4, longSide: 512 };

/** Curves of an epoch by tag; what could not be measured has no point. */
export function epochScalars(metrics: EpochMetrics, classes: readonly ClassInfo[]): SummaryValue[] {
  const points: [tag: string, scalar: number | null][] = [
    ['loss/train', metrics.trainLoss],
    ['loss/val', metrics.valLoss],
    ['mIoU/val', metrics.mIoU],
    ['mIoU/val_per_image', metrics.perImageIoU],
    ['accuracy/val', metrics.pixelAccuracy],
    ['lr', metrics.lr],
    ['time/epoch_seconds', metrics.seconds],
    ['time/images_per_second', metrics.imagesPerSecond],
    ...classes.map(({ index, name }): [string, number | null] => [`IoU/${name}`, metrics.classIoU[index]!]),
  ];
  return points.flatMap(([tag, scalar]) => (scalar === null ? [] : [{ tag, scalar }]));
}

/** The events of a run, or of each head of a sweep; a process starts its file when it finishes its first epoch. */
export class RunEvents {
  readonly #files = new Map<string, EventFile>();

  /**
   * Events that no file holds yet.
   *
   * @param folder the run's; heads of a sweep have folders in it, since TensorBoard takes a folder for a run.
   */
  constructor(
    private readonly folder: string,
    private readonly config: TrainConfig,
    private readonly classes: readonly ClassInfo[],
  ) {}

  /** Adds an epoch. @param part folder of a head, e.g. `head-0`. @throws DinoSegError DISK_FULL, IO */
  async addEpoch(metrics: EpochMetrics, part = ''): Promise<void> {
    const file = this.#files.get(part) ?? (await this.#begin(part, metrics.epoch));
    await file.add(metrics.epoch, epochScalars(metrics, this.classes));
  }

  /**
   * Adds a few validation images: photo, label and prediction side by side. The run is done and saved by then: if they
   * cannot be made, `log` is called with the reason.
   *
   * @param best a head's file and the epoch that it is of.
   */
  async addExamples(
    dataset: SegmentationDataset,
    best: { head: string; epoch: number },
    outputsOf: OutputFeed['outputsOf'],
    log: (line: string) => Promise<void>,
    part = '',
  ): Promise<void> {
    try {
      const file = this.#files.get(part) ?? (await this.#begin(part, this.config.epochs + 1));
      for await (const example of examples(dataset, best.head, outputsOf, exampleOptions)) {
        const picture = await examplePng(example, dataset.classSet);
        await file.add(best.epoch, [{ tag: `example/${example.name}`, ...picture }]);
      }
    } catch (error) {
      if (!(error instanceof DinoSegError)) throw error;
      await log(`no examples for TensorBoard: ${error.code}: ${error.message}`);
    }
  }

  async #begin(part: string, epoch: number): Promise<EventFile> {
    const file = await EventFile.begin(join(this.folder, part), epoch);
    const text = `    ${JSON.stringify(this.config, null, 2).replaceAll('\n', '\n    ')}`;
    if (!file.continues) await file.add(0, [{ tag: 'config', text }]);
    this.#files.set(part, file);
    return file;
  }
}
