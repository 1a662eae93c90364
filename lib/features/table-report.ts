/** Report of a feature table. */
import { DinoSegError } from '../errors.js';
import type { ImageEntry } from '../images/images-of-paths.js';
import { hardwareRows } from '../native/hardware.js';
import { attemptReport, type ReportOutcome } from '../report/html/attempt.js';
import { examplesSection, type ExampleInput } from '../report/html/example.js';
import { count, duration, now, percent } from '../report/html/format.js';
import type {
  ExamplesSection,
  FiguresSection,
  Report,
  ReportSection,
  TableSection,
} from '../report/html/report.js';
import { counted } from '../text.js';
import type { Distribution } from './distributions.js';
import { pictureOf, resizedBoxes } from './extraction-pass.js';
import { devicesOf, type FeatureColumn, type FeatureExtractor, type ImageFeatures } from './extractor.js';
import { leftOutText, type LeftOut } from '../images/left-out.js';
import type { TableIdentity } from './identity.js';
import { largestPercentages } from './overlays.js';
import type { QualityList } from './quality-list.js';
import { flaggedSection } from './quality-report.js';
import { filesOf } from './table-files.js';
import type { ExtractionFailure } from './write-outputs.js';

/** Maximum number of failed images in the list. */
const mostFailures = 100;
/** Maximum length of a value: settings of maps and classes may be long. */
const longestValue = 300;
/** An image whose features are shown. */
export interface ShownImage extends Pick<ImageEntry, 'id' | 'path' | 'view'> {
  /** Of the image itself, which boxes are in. */
  width: number;
  height: number;
  features: ImageFeatures;
}

/** What a report of a table shows. */
export interface TableReportOptions {
  output: string;
  identity: TableIdentity;
  rows: number;
  failures: readonly ExtractionFailure[];
  distributions: readonly Distribution[];
  quality: QualityList | undefined;
  dropped?: number;
  leftOut?: LeftOut;
  /** Of the run that made the table; absent for a table that was put together. */
  run?: {
    extractor: FeatureExtractor;
    shown: readonly ShownImage[];
    extracted: number;
    seconds: number;
    imagesPerSecond: number | null;
    waitingShare: number | null;
  };
}

/** Writes the page beside a table; never throws. */
export async function writeTableReport(options: TableReportOptions): Promise<ReportOutcome> {
  return attemptReport(filesOf(options.output).report, () => tableReport(options));
}

async function tableReport(options: TableReportOptions): Promise<Report> {
  const { output, identity, rows, failures, run } = options;
  const { index, count: shards } = identity.shard;
  const part = shards > 1 ? `, part ${index} of ${shards}` : '';
  const sections: ReportSection[] = [figuresOf(options)];
  const examples = run && (await examplesOf(run.extractor, run.shown));
  if (examples && examples.examples.length > 0) sections.push(examples);
  sections.push(featuresTable(options));
  const flagged = options.quality && (await flaggedSection(options.quality, options.dropped ?? 0));
  if (flagged) sections.push(flagged);
  if (failures.length > 0) sections.push(failureTable(failures));
  const beside = options.leftOut && leftOutText(options.leftOut);
  const settings = [
    ...flattened(identity.settings),
    ['images per pass', String(identity.passSize)] as [string, string],
    ...(beside === undefined ? [] : [['left out', beside] as [string, string]]),
  ];
  sections.push({
    kind: 'properties',
    title: 'Settings, time and machine',
    groups: [
      { title: 'Settings', rows: settings },
      ...(run ? [{ title: 'Timing', rows: timingRows(run, rows + failures.length) }] : []),
      { title: 'Hardware and versions', rows: hardwareRows(run ? devicesOf(run.extractor) : []) },
    ],
  });
  return {
    title: `${counted(identity.columns.length, 'feature')} of ${counted(rows, 'image')}`,
    lead: `${output}${part}.`,
    made: now(),
    sections,
  };
}

/** What this run did of a table's images; `all`: with those of earlier runs. */
function timingRows(
  { extracted, seconds, waitingShare }: NonNullable<TableReportOptions['run']>,
  all: number,
): [string, string][] {
  const earlier = all - extracted;
  const kept = earlier > 0 ? [['From earlier runs', counted(earlier, 'image')] as [string, string]] : [];
  if (extracted === 0) return kept;
  return [
    ['This run', `${duration(seconds)} for ${counted(extracted, 'image')}`],
    ...kept,
    ['Waiting for image decoding', percent(waitingShare)],
  ];
}

function figuresOf({ identity, rows, failures, quality, run }: TableReportOptions): FiguresSection {
  const rate = run?.imagesPerSecond;
  return {
    kind: 'figures',
    title: 'Result',
    figures: [
      { label: 'Rows', value: count(rows) },
      { label: 'Failed images', value: count(failures.length) },
      ...(quality ? [{ label: 'Marked images', value: count(quality.flaggedCount) }] : []),
      { label: 'Features', value: count(identity.columns.length) },
      ...(typeof rate === 'number' ? [{ label: 'Images per second', value: rate.toFixed(2) }] : []),
    ],
  };
}

function featuresTable({ distributions, rows }: TableReportOptions): TableSection {
  const number = (value: number | null, digits: number) => ({
    value,
    text: value === null ? '–' : value.toFixed(digits),
  });
  return {
    kind: 'table',
    title: 'Features',
    note: 'Features are percentages of image pixels, or counts of objects. The bars show how many images have a value in each range; point at a bar to read it.',
    columns: ['Feature', 'Unit', 'Mean', 'Min', 'Max', 'Images above 0', 'Distribution'],
    rows: distributions.map(({ name, kind, mean, least, most, above, bars, labels }) => {
      const digits = kind === 'count' ? 0 : 2;
      const share = rows > 0 ? above / rows : null;
      return [
        name,
        kind === 'count' ? 'objects' : '%',
        number(mean, 2),
        number(least, digits),
        number(most, digits),
        { value: share, text: percent(share) },
        { bars, labels },
      ];
    }),
  };
}

async function examplesOf(
  extractor: FeatureExtractor,
  shown: readonly ShownImage[],
): Promise<ExamplesSection> {
  async function* pictures(): AsyncGenerator<ExampleInput, void, void> {
    for (const { id, path, view, ...seen } of shown) {
      const image = await pictureOf(extractor, { path, ...(view !== undefined && { view }) }).catch(
        (error: unknown) => {
          // The row is of when the file could be read.
          if (error instanceof DinoSegError) return undefined;
          throw error;
        },
      );
      if (!image) continue;
      const { values, detections } = seen.features;
      const boxes = detections && resizedBoxes(detections, seen, image);
      const features = { values, ...(boxes && { detections: boxes }) };
      const drawn = await extractor.overlay?.(image, features);
      // An extractor gives the image back where it has nothing to draw.
      const pictures = drawn && drawn !== image ? { features: drawn } : {};
      yield { name: id, image, pictures, caption: captionOf(extractor, features) };
    }
  }
  const note = `Images spread evenly over the table, with ${extractor.columns.some(isCount) ? 'the counted objects and ' : ''}the largest percentages.`;
  return examplesSection({ title: 'Examples', note }, pictures(), null);
}

const isCount = ({ kind }: FeatureColumn) => kind === 'count';

function captionOf(extractor: FeatureExtractor, features: ImageFeatures): string {
  const counts = extractor.columns.flatMap((column, i) =>
    isCount(column) && features.values[i]! > 0 ? [`${column.name} ${features.values[i]!}`] : [],
  );
  return [...largestPercentages(extractor, features), ...counts].join(', ');
}

function failureTable(failures: readonly ExtractionFailure[]): TableSection {
  const note =
    failures.length > mostFailures
      ? { note: `The first ${mostFailures} of ${counted(failures.length, 'image')}; failures.tsv lists all.` }
      : {};
  return {
    kind: 'table',
    title: 'Failed images',
    ...note,
    columns: ['Image', 'Code', 'Reason'],
    rows: failures.slice(0, mostFailures).map(({ id, code, message }) => [id, code, message]),
  };
}

/** Nested settings as rows, `segmentation.model.id` and the like. */
function flattened(value: unknown, path = ''): [string, string][] {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return Object.entries(value).flatMap(([key, below]) =>
      flattened(below, path === '' ? key : `${path}.${key}`),
    );
  const isList = Array.isArray(value) && value.every((each) => typeof each === 'string');
  const text = isList ? value.join(', ') : typeof value === 'string' ? value : JSON.stringify(value);
  return [[path, text.length > longestValue ? `${text.slice(0, longestValue)}…` : text]];
}
