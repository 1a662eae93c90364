/** The page that shows what the demo did. */
import type { SegmentationDataset } from '../data/dataset.js';
import { spread } from '../data/preview.js';
import type { FeatureMean } from '../features/write-outputs.js';
import { openHead, type SegmentationHead } from '../model/open-head.js';
import type { SegmentationModel } from '../model/segmentation-model.js';
import { hardwareRows } from '../native/hardware.js';
import { examplesSection, type ExampleInput } from '../report/html/example.js';
import { now, percent } from '../report/html/format.js';
import type { Report, ReportSection } from '../report/html/report.js';
import { classSections } from '../train/evaluation-report.js';
import type { Evaluation } from '../train/tally.js';
import { meanErrors, type CountedObjects } from './counted-objects.js';
import { headWays, wayTexts, type HeadWay, type JudgedSeed } from './judged-heads.js';

/** Scenes that are shown. */
const shownScenes = 8;

/** What the page is made of. */
export interface DemoResults {
  model: SegmentationModel;
  unseen: SegmentationDataset;
  imageSize: number;
  /** The network's own classes. */
  own: Evaluation;
  seeds: readonly JudgedSeed[];
  /** Of the feature table of the unseen scenes. */
  means: readonly FeatureMean[];
  /** How its counts compare with what was drawn. */
  objects: readonly CountedObjects[];
  signal?: AbortSignal | undefined;
}

/** Mean over the seeds. */
export function meanOf(seeds: readonly JudgedSeed[], way: HeadWay): number {
  return seeds.reduce((sum, { evaluations }) => sum + (evaluations[way].mIoU ?? 0), 0) / seeds.length;
}

/** Least and largest of the seeds, as text. */
function rangeOf(seeds: readonly JudgedSeed[], way: HeadWay): string {
  const all = seeds.map(({ evaluations }) => evaluations[way].mIoU ?? 0);
  return `${percent(Math.min(...all))} to ${percent(Math.max(...all))} over ${all.length} seeds`;
}

/** The demo's report. @throws DinoSegError of segmenting the scenes that are shown; the signal's reason */
export async function demoReport(results: DemoResults, seconds: number): Promise<Report> {
  const { model, unseen, seeds, own, means } = results;
  const first = seeds[0]!;
  const order: HeadWay[] = ['xavier', 'mapped', 'probe', 'trained'];
  const named = order.map((way) => ({ name: wayTexts[way], evaluation: first.evaluations[way] }));
  const sections: ReportSection[] = [
    {
      kind: 'figures',
      title: "mIoU on unseen scenes, IDD's 26 classes",
      note: 'Means over the seeds. All heads are of one frozen network, through which every scene went once.',
      figures: headWays.map((way) => ({
        label: wayTexts[way],
        value: percent(meanOf(seeds, way)),
        note: rangeOf(seeds, way),
      })),
    },
    {
      kind: 'table',
      title: 'Seeds',
      columns: ['seed', ...headWays.map((way) => wayTexts[way])],
      rows: seeds.map(({ seed, evaluations }) => [
        String(seed),
        ...headWays.map((way) => ({ text: percent(evaluations[way].mIoU), value: evaluations[way].mIoU })),
      ]),
    },
    ...classSections(named, unseen.classSet),
    await examples(results, first),
    objectsSection(results.objects),
    {
      kind: 'table',
      title: 'Features of the unseen scenes',
      note: 'Means over the rows of features.csv; its own report is beside it.',
      columns: ['feature', 'mean'],
      rows: means.map(({ name, mean }) => [
        name,
        { text: mean === null ? '–' : mean.toFixed(2), value: mean },
      ]),
    },
    {
      kind: 'properties',
      title: 'Network, time and machine',
      groups: [
        {
          title: 'Network',
          rows: [
            ['network', 'street-small, trained on drawn scenes alone'],
            ['weights', model.parameters.toLocaleString('en')],
            ['its own ADE20K classes on these scenes', `${percent(own.mIoU)} mIoU`],
            ['scenes that nothing was trained on', String(unseen.length)],
          ],
        },
        { title: 'Timing', rows: [['The whole demo', `${seconds.toFixed(0)} s`]] },
        { title: 'Hardware and versions', rows: hardwareRows(model.device) },
      ],
    },
  ];
  return {
    title: 'dinov3-seg demo',
    lead: 'A small network that knows drawn street scenes in the classes of ADE20K gets a new head for the 26 classes of IDD. Every picture here is drawn by a program; the figures say nothing about photographs.',
    made: now(),
    sections,
  };
}

function objectsSection(objects: readonly CountedObjects[]): ReportSection {
  const number = (value: number) => ({ text: value.toFixed(2), value });
  const { error, errorOfMean } = meanErrors(objects);
  return {
    kind: 'table',
    title: 'Objects of the unseen scenes',
    note:
      'Counts in features.csv beside what was drawn, means a scene. The error is the mean difference, without sign; the last column has ' +
      "that of saying the class's mean of every scene. Pictures with the boxes: features_csv_files/overlays.",
    columns: ['object', 'drawn', 'counted', 'error', "the mean's error"],
    rows: [
      ...objects.map((one) => [
        one.name,
        ...[one.drawn, one.counted, one.error, one.errorOfMean].map(number),
      ]),
      ['mean of the classes', '', '', number(error), number(errorOfMean)],
    ],
  };
}

async function examples(results: DemoResults, { seed, heads: files }: JudgedSeed): Promise<ReportSection> {
  const { model, unseen, imageSize, signal } = results;
  using trained = await openHead(files.trained, { device: model.device });
  using probe = await openHead(files.probe, { device: model.device });
  const heads: [string, SegmentationHead][] = [
    ['prediction', trained],
    ['linear probe', probe],
  ];
  async function* pictures(): AsyncGenerator<ExampleInput, void, void> {
    for (const index of spread(unseen.length, shownScenes)) {
      const { image, label, name } = await unseen.load(index);
      const maps: NonNullable<ExampleInput['maps']>[number][] = [];
      for (const [name, head] of heads)
        maps.push({
          role: 'prediction',
          name,
          ...(await model.segment(image, { head, imageSize, scoring: 'recipe', signal })),
        });
      yield { name, image, maps: [...maps, { role: 'truth', ...label }] };
    }
  }
  return await examplesSection(
    { title: 'Unseen scenes', note: `What the heads of seed ${seed} make of them.` },
    pictures(),
    unseen.classSet,
  );
}
