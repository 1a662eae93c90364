/** `report.html` of a training run: made of what the run folder holds, so that a resumed run has the whole of it. */
import { existsSync } from 'node:fs';
import * as v from 'valibot';
import type { SegmentationDataset } from '../data/dataset.js';
import { DinoSegError } from '../errors.js';
import { mostListBytes, readJson, readText } from '../files.js';
import type { NetworkOutputs } from '../model/network-outputs.js';
import { openHead } from '../model/open-head.js';
import type { SegmentationHead } from '../model/segmentation-head.js';
import { scoringOf } from '../model/scoring.js';
import { attemptReport, type ReportOutcome } from '../report/html/attempt.js';
import { examplesSection, type ExampleInput } from '../report/html/example.js';
import { now } from '../report/html/format.js';
import type { ExamplesSection, Report, ReportSection } from '../report/html/report.js';
import { measured, naturalNumber, ofSchema, parseAs, wholeNumber } from '../schema.js';
import type { TrainConfig } from './config.js';
import type { BestEpoch } from './early-stopping.js';
import { classSections } from '../evaluate/evaluation-report.js';
import { leftOutLines } from './label-warnings.js';
import type { RunFolder } from './run-folder.js';
import {
  circumstances,
  curves,
  resultFigures,
  settingsSection,
  sweepTable,
  type MetricsLine,
} from './run-report-sections.js';
import { counted } from '../text.js';
import { imagesTable, shownImages } from '../evaluate/shown-images.js';
import { storedEvaluationSchema, type Evaluation } from '../evaluate/evaluation.js';
import type { SweepRow } from './train-result.js';
import type { CacheFillStats } from './output-feed.js';

/** Validation images that are shown. */
const mostShown = 8;
/** Minimum time between two reports of a running training: some epochs take less than a second. */
const everySeconds = 30;

/** What a report needs of a run beside its folder. */
export interface ReportedRun {
  config: TrainConfig;
  folder: RunFolder;
  train: SegmentationDataset;
  val: SegmentationDataset;
  devices: readonly string[];
  /** Of a validation image, by its index; see OutputFeed. */
  outputsOf(index: number): Promise<NetworkOutputs>;
  /** Records made before the first epoch, in this process. */
  cacheFill: CacheFillStats | undefined;
}

/** Writes a run's report, at most every 30 s during training. */
export class RunReporter {
  #writtenAt = -Infinity;
  #outcome: ReportOutcome = { report: null };
  /** Pictures of the best epoch's head; made again when another epoch is the best. */
  #examples: { epoch: number; section: ExamplesSection } | undefined;

  constructor(
    private readonly run: ReportedRun,
    private readonly onLog: (line: string) => Promise<void>,
  ) {}

  /** After an epoch. @param rows of a sweep */
  async epoch(best: BestEpoch | null, rows?: readonly SweepRow[]): Promise<void> {
    if (performance.now() - this.#writtenAt >= everySeconds * 1000) await this.write(best, rows);
  }

  /** Writes it; why it could not be written is logged and returned, never thrown. */
  async write(best: BestEpoch | null, rows?: readonly SweepRow[]): Promise<ReportOutcome> {
    const path = this.run.folder.file('report.html');
    const before = this.#outcome.reportError?.code;
    this.#outcome = await attemptReport(path, () => this.#report(best, rows));
    this.#writtenAt = performance.now();
    const { reportError } = this.#outcome;
    if (reportError && reportError.code !== before)
      await this.onLog(`${reportError.code}: ${reportError.message}`);
    return this.#outcome;
  }

  async #report(best: BestEpoch | null, rows?: readonly SweepRow[]): Promise<Report> {
    const { config, folder, train, val, devices, cacheFill } = this.run;
    const lines = await readLines(folder.file('metrics.jsonl'));
    const evaluation = await bestEvaluation(folder, best);
    const sections: ReportSection[] = [
      { kind: 'figures', title: 'Result', figures: resultFigures(lines, best, config) },
    ];
    if (best && existsSync(folder.file('best.safetensors')))
      sections.push(await this.#examplesOf(best, evaluation));
    sections.push(curves(lines, best, rows));
    if (rows) sections.push(sweepTable(rows));
    if (evaluation && best) {
      const named = { name: `epoch ${best.epoch}`, evaluation };
      const [classes, confusion] = classSections([named], val.classSet);
      const of = `Validation images, best epoch (${best.epoch}).`;
      sections.push({ ...classes, note: `${of} ${classes.note ?? ''}` }, { ...confusion, note: of });
      const images = imagesTable(val, evaluation);
      if (images) sections.push({ ...images, note: `${of} ${images.note ?? ''}` });
    }
    sections.push(settingsSection(config), circumstances(lines, devices, cacheFill));
    return {
      title: `Training of ${config.headKind} on ${config.classes}`,
      lead:
        `${config.out}: ${counted(train.length, 'training image')} and ${counted(val.length, 'validation image')}.` +
        leftOutLines({ train, val })
          .map((line) => ` ${line}.`)
          .join(''),
      made: now(),
      sections,
    };
  }

  async #examplesOf(best: BestEpoch, evaluation: Evaluation | undefined): Promise<ExamplesSection> {
    if (this.#examples?.epoch !== best.epoch) {
      const { val } = this.run;
      const { places, note } = shownImages(val.length, evaluation?.imageIou, mostShown);
      const of = `Validation images, best epoch (${best.epoch}).`;
      const heading = { title: 'Examples', note: `${of} ${note}`, order: 'lowest' } as const;
      const section = await examplesSection(heading, this.#pictures(places, evaluation), val.classSet);
      this.#examples = { epoch: best.epoch, section };
    }
    return this.#examples.section;
  }

  async *#pictures(
    places: readonly number[],
    evaluation: Evaluation | undefined,
  ): AsyncGenerator<ExampleInput, void, void> {
    const { folder, val } = this.run;
    let head: SegmentationHead | undefined;
    try {
      for (const index of places) {
        const { image, label, name } = await val.load(index);
        using outputs = await this.run.outputsOf(index);
        head ??= await openHead(folder.file('best.safetensors'), { device: outputs.device });
        const { width, height } = image;
        using map = await head.mapOf(outputs, { width, height, scoring: scoringOf(head, val.classSet) });
        const data = (await map.data()) as Uint8Array;
        await outputs.requireFinite([name]);
        const prediction = { role: 'prediction', data, width, height } as const;
        const iou = evaluation?.imageIou[index] ?? null;
        yield { name, image, iou, maps: [prediction, { role: 'truth', ...label }] };
      }
    } finally {
      head?.dispose();
    }
  }
}

const lineSchema = v.object({
  epoch: naturalNumber,
  ...{
    trainLoss: measured,
    valLoss: measured,
    mIoU: measured,
    perImageIoU: measured,
    pixelAccuracy: measured,
  },
  ...{ lr: measured, seconds: measured, imagesPerSecond: measured },
  // Earlier releases did not write it.
  classIoU: v.exactOptional(v.array(measured)),
  head: v.exactOptional(wholeNumber),
});

async function readLines(path: string): Promise<MetricsLine[]> {
  // Where all heads of a sweep are lost in the first epoch, none has a line.
  if (!existsSync(path)) return [];
  const text = await readText(path, mostListBytes, 'RUN');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const refuse = (what: string) => new DinoSegError('RUN', `${path} is damaged: ${what}.`);
      return parseAs(lineSchema, line, refuse) as MetricsLine;
    });
}

/** What was measured of the best epoch, if the folder has it: runs of earlier releases have not. */
async function bestEvaluation(folder: RunFolder, best: BestEpoch | null): Promise<Evaluation | undefined> {
  const path = folder.file('best-evaluation.json');
  if (!best || !existsSync(path)) return undefined;
  const found = ofSchema(
    storedEvaluationSchema,
    await readJson(path, 'RUN'),
    (what) => new DinoSegError('RUN', `${path} is damaged: ${what}.`),
  );
  // Earlier releases did not keep the images' own.
  return found.epoch === best.epoch ? { ...found, imageIou: found.imageIou ?? [] } : undefined;
}
