/** Sections of a training run's report that follow from its lines and settings alone. */
import { hardwareRows } from '../native/hardware.js';
import { duration, figure, percent } from '../report/html/format.js';
import type {
  CurvesSection,
  FiguresSection,
  PropertiesSection,
  Series,
  TableSection,
} from '../report/html/report.js';
import { counted } from '../text.js';
import { trainDefaults, type TrainConfig } from './config.js';
import { configKeys } from './settings.js';
import type { BestEpoch } from './early-stopping.js';
import type { EpochMetrics } from './epoch-metrics.js';
import type { SweepRow } from './train-result.js';
import type { CacheFillStats } from './output-feed.js';

/** Most lines that readers can distinguish in a chart. */
const mostLines = 8;

/** A line of metrics.jsonl; of a sweep with its head. */
export type MetricsLine = EpochMetrics & { head?: number };

/** The best epoch's figures, large. */
export function resultFigures(
  lines: readonly MetricsLine[],
  best: BestEpoch | null,
  { epochs }: TrainConfig,
): FiguresSection['figures'] {
  const line = lines.find(({ epoch, mIoU }) => epoch === best?.epoch && mIoU === best.mIoU);
  const last = lines.at(-1)?.epoch ?? 0;
  return [
    {
      label: 'Best mIoU',
      value: percent(best?.mIoU),
      note: best ? `epoch ${best.epoch}` : 'not measured',
    },
    { label: 'Pixel accuracy', value: percent(line?.pixelAccuracy) },
    { label: 'Per-image IoU', value: percent(line?.perImageIoU), note: 'mean over the images' },
    { label: 'Validation loss', value: figure(line?.valLoss) },
    { label: 'Epochs', value: `${last} of ${epochs}` },
  ];
}

/** Loss, IoU and learning rate over the epochs; with `rows` those of a sweep's best heads. */
export function curves(
  lines: readonly MetricsLine[],
  best: BestEpoch | null,
  rows: readonly SweepRow[] | undefined,
): CurvesSection {
  const mark = best ? { mark: { x: best.epoch, label: 'best' } } : {};
  const of = (name: string, key: keyof EpochMetrics, own: readonly MetricsLine[] = lines): Series => ({
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
    const note = rows.length > mostLines ? { note: `The ${mostLines} best of ${rows.length} heads.` } : {};
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

/** The heads of a sweep, the best first. */
export function sweepTable(rows: readonly SweepRow[]): TableSection {
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
export function settingsSection(config: TrainConfig): PropertiesSection {
  const text = (value: unknown) => (value === null ? 'none' : String(value));
  const defaults: Partial<TrainConfig> = trainDefaults;
  const own = configKeys.filter((key) => config[key] !== defaults[key]);
  const others = configKeys.filter((key) => config[key] === defaults[key]);
  const given = own.map((key): [string, string] => {
    const usual = (defaults[key] ?? null) === null ? '' : ` (default ${text(defaults[key])})`;
    return [key, `${text(config[key])}${usual}`];
  });
  return {
    kind: 'properties',
    title: 'Settings',
    groups: [
      { title: 'Given for this run, or by its preset', rows: given },
      { title: 'Defaults of the recipe', rows: others.map((key) => [key, text(config[key])]) },
    ],
  };
}

/** Records of a cache: those made now and, if any, those from earlier runs. */
function cacheText({ made, kept, seconds }: CacheFillStats): string {
  const fresh = `${counted(made, 'record')} made in ${duration(seconds)}`;
  if (kept === 0) return fresh;
  const found = `${counted(kept, 'record')} from earlier runs`;
  return made === 0 ? found : `${fresh}; ${found}`;
}

/** Times of the run, and the machine that it ran on last. */
export function circumstances(
  lines: readonly MetricsLine[],
  devices: readonly string[],
  cacheFill: CacheFillStats | undefined,
): PropertiesSection {
  // The heads of a sweep share their epochs.
  const epochs = [...new Map(lines.map((line) => [line.epoch, line])).values()];
  const seconds = epochs.reduce((sum, line) => sum + line.seconds, 0);
  const rows: [string, string][] = [];
  if (cacheFill) {
    rows.push(['Cache', cacheText(cacheFill)]);
  }
  rows.push(['Training and evaluation', `${duration(seconds)} for ${counted(epochs.length, 'epoch')}`]);
  if (epochs.length > 0) {
    const rate = epochs.reduce((sum, line) => sum + line.imagesPerSecond, 0) / epochs.length;
    const epoch = duration(seconds / epochs.length);
    rows.push(['Time per epoch', epoch], ['Images per second in training', rate.toFixed(2)]);
  }
  return {
    kind: 'properties',
    title: 'Time and machine',
    groups: [
      { title: 'Timing', rows },
      { title: 'Hardware and versions', rows: hardwareRows(devices) },
    ],
  };
}
