/** `report.html` of a training run: made of what the run folder holds, so that a resumed run has the whole of it. */
import { existsSync } from 'node:fs';
import type { SegmentationDataset } from '../data/dataset.js';
import { readBytes, readJson } from '../files.js';
import type { DecodedImages } from '../model/decoded-images.js';
import { LinearProbe } from '../model/linear-probe.js';
import { openHead, type SegmentationHead } from '../model/open-head.js';
import { scoringOf } from '../model/scoring.js';
import { Tensor } from '../model/tensor.js';
import { hardwareRows } from '../native/hardware.js';
import { attemptReport, type ReportOutcome } from '../report/html/attempt.js';
import { examplesSection, spread, type ExampleInput } from '../report/html/example.js';
import { count, duration, figure, now, percent } from '../report/html/format.js';
import type {
  CurvesSection,
  ExamplesSection,
  PropertiesSection,
  Report,
  ReportSection,
  Series,
  TableSection,
} from '../report/html/report.js';
import { configKeys, trainDefaults, type TrainConfig } from './config.js';
import type { BestEpoch } from './early-stopping.js';
import { classSections } from './evaluation-report.js';
import type { EpochMetrics, RunFolder } from './run-folder.js';
import type { SweepRow } from './sweep.js';
import type { Evaluation } from './tally.js';
import type { Preparation } from './trainer.js';

/** Validation images that are shown. */
const shownImages = 8;
/** Lines that can still be told apart. */
const mostLines = 8;
/** While a run goes on its report is written so often at most: some epochs take less than a second. */
const everySeconds = 30;

type Line = EpochMetrics & { head?: number };

/** What a report needs of a run beside its folder. */
export interface ReportedRun {
  config: TrainConfig;
  folder: RunFolder;
  train: SegmentationDataset;
  val: SegmentationDataset;
  device: string;
  /** Of a validation image, by its index; see HeadTrainer. */
  outputsOf(index: number): Promise<DecodedImages | Tensor>;
  /** What was made before the first epoch, in this sitting. */
  preparation: Preparation | undefined;
}

/** Writes a run's report, not too often while it goes on. */
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
    const before = this.#outcome.reportError?.message;
    this.#outcome = await attemptReport(path, () => this.#report(best, rows));
    this.#writtenAt = performance.now();
    const { reportError } = this.#outcome;
    if (reportError && reportError.message !== before)
      await this.onLog(`${reportError.code}: ${reportError.message}`);
    return this.#outcome;
  }

  async #report(best: BestEpoch | null, rows?: readonly SweepRow[]): Promise<Report> {
    const { config, folder, train, val } = this.run;
    const lines = await readLines(folder.file('metrics.jsonl'));
    const evaluation = await bestEvaluation(folder, best);
    const sections: ReportSection[] = [
      { kind: 'figures', title: 'Result', figures: resultFigures(lines, best, config) },
      curves(lines, best, rows),
    ];
    if (rows) sections.push(sweepTable(rows));
    if (best && existsSync(folder.file('best.safetensors'))) sections.push(await this.#examplesOf(best));
    if (evaluation && best) {
      const named = { name: `epoch ${best.epoch}`, evaluation };
      const [classes, confusion] = classSections([named], val.classSet);
      const of = `Validation images, the best epoch (${best.epoch}).`;
      sections.push({ ...classes, note: `${of} ${classes.note ?? ''}` }, { ...confusion, note: of });
    }
    sections.push(settingsSection(config), this.#circumstances(lines));
    return {
      title: `Training of ${config.headKind} on ${config.classes}`,
      lead: `${config.out}: ${count(train.length)} training and ${count(val.length)} validation images.`,
      made: now(),
      sections,
    };
  }

  async #examplesOf(best: BestEpoch): Promise<ExamplesSection> {
    if (this.#examples?.epoch !== best.epoch) {
      const of = { title: 'Examples', note: `Validation images and the best head, of epoch ${best.epoch}.` };
      const section = await examplesSection(of, this.#pictures(), this.run.val.classSet);
      this.#examples = { epoch: best.epoch, section };
    }
    return this.#examples.section;
  }

  async *#pictures(): AsyncGenerator<ExampleInput, void, void> {
    const { folder, val } = this.run;
    let head: SegmentationHead | undefined;
    try {
      for (const index of spread(val.length, shownImages)) {
        const { image, label, name } = await val.load(index);
        using outputs = await this.run.outputsOf(index);
        const device = outputs instanceof Tensor ? outputs.device : outputs.queries.device;
        head ??= await openHead(folder.file('best.safetensors'), { device });
        const { width, height } = image;
        using map = await classMap(head, outputs, { width, height, scoring: scoringOf(head, val.classSet) });
        const data = (await map.data()) as Uint8Array;
        const prediction = { role: 'prediction', data, width, height } as const;
        yield { name, image, maps: [prediction, { role: 'truth', ...label }] };
      }
    } finally {
      head?.dispose();
    }
  }

  #circumstances(lines: readonly Line[]): PropertiesSection {
    const { device, preparation } = this.run;
    // The heads of a sweep share their epochs.
    const epochs = [...new Map(lines.map((line) => [line.epoch, line])).values()];
    const seconds = epochs.reduce((sum, line) => sum + line.seconds, 0);
    const rows: [string, string][] = [];
    if (preparation) {
      const { made, kept } = preparation;
      rows.push([
        'Cache',
        `${count(kept)} records were there, ${count(made)} made in ${duration(preparation.seconds)}`,
      ]);
    }
    rows.push(['Training and evaluation', `${duration(seconds)} for ${epochs.length} epochs`]);
    if (epochs.length > 0) {
      const rate = epochs.reduce((sum, line) => sum + line.imagesPerSecond, 0) / epochs.length;
      rows.push(
        ['An epoch', duration(seconds / epochs.length)],
        ['Images a second in training', rate.toFixed(2)],
      );
    }
    return {
      kind: 'properties',
      title: 'Time and machine',
      groups: [
        { title: 'Timing', rows },
        { title: 'Hardware and versions', rows: hardwareRows(device) },
      ],
    };
  }
}

async function classMap(
  head: SegmentationHead,
  outputs: DecodedImages | Tensor,
  options: { width: number; height: number; scoring: 'recipe' | 'ade20k' },
): Promise<Tensor> {
  if (head instanceof LinearProbe) return head.classMap(outputs as Tensor, options);
  return head.classMap(outputs as DecodedImages, options);
}

async function readLines(path: string): Promise<Line[]> {
  const text = (await readBytes(path)).toString('utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
}

/** What was measured of the best epoch, if the folder has it: runs of earlier releases have not. */
async function bestEvaluation(folder: RunFolder, best: BestEpoch | null): Promise<Evaluation | undefined> {
  const path = folder.file('best-evaluation.json');
  if (!best || !existsSync(path)) return undefined;
  const found = (await readJson(path, 'RUN')) as Evaluation & { epoch: number };
  return found.epoch === best.epoch ? found : undefined;
}

function resultFigures(lines: readonly Line[], best: BestEpoch | null, { epochs }: TrainConfig) {
  const line = lines.find(({ epoch, mIoU }) => epoch === best?.epoch && mIoU === best.mIoU);
  const last = lines.at(-1)?.epoch ?? 0;
  return [
    {
      label: 'Best mIoU',
      value: percent(best?.mIoU),
      note: best ? `epoch ${best.epoch}` : 'none was measured',
    },
    { label: 'Pixel accuracy', value: percent(line?.pixelAccuracy) },
    { label: 'Per-image IoU', value: percent(line?.perImageIoU), note: "mean of the images' own" },
    { label: 'Validation loss', value: figure(line?.valLoss) },
    { label: 'Epochs', value: `${last} of ${epochs}` },
  ];
}

function curves(
  lines: readonly Line[],
  best: BestEpoch | null,
  rows: readonly SweepRow[] | undefined,
): CurvesSection {
  const mark = best ? { mark: { x: best.epoch, label: 'best' } } : {};
  const of = (name: string, key: keyof EpochMetrics, own: readonly Line[] = lines): Series => ({
    name,
    points: own.map((line) => [line.epoch, line[key] as number | null]),
  });
  const common = { x: 'epoch', ...mark };
  if (rows) {
    const shown = byIou(rows).slice(0, mostLines);
    const each = (key: keyof EpochMetrics) =>
      shown.map(({ head }) =>
        of(
          `head ${head}`,
          key,
          lines.filter((line) => line.head === head),
        ),
      );
    const note = rows.length > mostLines ? { note: `The best ${mostLines} of ${rows.length} heads.` } : {};
    return {
      kind: 'curves',
      title: 'Curves',
      ...note,
      charts: [
        { ...common, title: 'Validation mIoU', unit: 'share', series: each('mIoU') },
        { ...common, title: 'Training loss', unit: 'number', series: each('trainLoss') },
        { ...common, title: 'Validation loss', unit: 'number', series: each('valLoss') },
      ],
    };
  }
  return {
    kind: 'curves',
    title: 'Curves',
    charts: [
      {
        ...common,
        title: 'Loss',
        unit: 'number',
        series: [of('training', 'trainLoss'), of('validation', 'valLoss')],
      },
      {
        ...common,
        title: 'IoU and accuracy on validation images',
        unit: 'share',
        series: [
          of('mIoU', 'mIoU'),
          of('per-image IoU', 'perImageIoU'),
          of('pixel accuracy', 'pixelAccuracy'),
        ],
      },
      { ...common, title: 'Learning rate', unit: 'number', series: [of('learning rate', 'lr')] },
    ],
  };
}

function byIou(rows: readonly SweepRow[]): SweepRow[] {
  return [...rows].sort((a, b) => (b.best?.mIoU ?? -1) - (a.best?.mIoU ?? -1));
}

function sweepTable(rows: readonly SweepRow[]): TableSection {
  const number = (value: number | null, text: string) => ({ text, value });
  return {
    kind: 'table',
    title: 'Heads',
    columns: [
      'Head',
      'Best mIoU',
      'Epoch',
      'Last mIoU',
      'Learning rate',
      'Weight decay',
      'Loss',
      'Class weights',
      'Outcome',
    ],
    rows: byIou(rows).map((row) => [
      String(row.head),
      number(row.best?.mIoU ?? null, percent(row.best?.mIoU, 2)),
      number(row.best?.epoch ?? null, String(row.best?.epoch ?? '–')),
      number(row.lastMIoU, percent(row.lastMIoU, 2)),
      number(row.learningRate, figure(row.learningRate)),
      number(row.weightDecay, figure(row.weightDecay)),
      row.loss,
      row.classWeights,
      row.outcome,
    ]),
  };
}

/** Settings that differ from the recipe's first. */
function settingsSection(config: TrainConfig): PropertiesSection {
  const text = (value: unknown) => (value === null ? 'none' : String(value));
  const defaults: Partial<TrainConfig> = trainDefaults;
  const own = configKeys.filter((key) => config[key] !== defaults[key]);
  const others = configKeys.filter((key) => config[key] === defaults[key]);
  const given = own.map((key): [string, string] => {
    const usual = defaults[key] === undefined ? '' : ` (default ${text(defaults[key])})`;
    return [key, `${text(config[key])}${usual}`];
  });
  return {
    kind: 'properties',
    title: 'Settings',
    groups: [
      { title: 'Given for this run', rows: given },
      { title: 'As the recipe has them', rows: others.map((key) => [key, text(config[key])]) },
    ],
  };
}
