/** The demo's report. */
import type { SegmentationDataset } from '../data/dataset.js';
import type { FeatureMean } from '../features/write-outputs.js';
import { openHead } from '../model/open-head.js';
import type { SegmentationHead } from '../model/segmentation-head.js';
import type { SegmentationModel } from '../model/segmentation-model.js';
import { hardwareRows } from '../native/hardware.js';
import { examplesSection, type ExampleInput } from '../report/html/example.js';
import { now, percent } from '../report/html/format.js';
import type { Report, ReportSection } from '../report/html/report.js';
import { counted } from '../text.js';
import { classSections } from '../evaluate/evaluation-report.js';
import { imagesTable, shownImages } from '../evaluate/shown-images.js';
import type { Evaluation } from '../evaluate/evaluation.js';
import { meanErrors, type CountedObjects } from './counted-objects.js';
import { headWays, wayTexts, type HeadWay, type JudgedSeed } from './judged-heads.js';

/** Number of scenes in the report. */
const mostShown = 8;

/** Labels of the figures at the top of the page, the result first. */
const figureLabels: Partial<Record<HeadWay, string>> & Record<'trained', string> = {
  trained: 'Trained head',
  mapped: 'Mapped start',
  xavier: 'Random start',
  probe: 'Linear probe',
};

/** The content of the page. */
export interface DemoResults {
  model: SegmentationModel;
  unseen: SegmentationDataset;
  imageSize: number;
  /** Evaluation of the network's own classes. */
  own: Evaluation;
  seeds: readonly JudgedSeed[];
  /** Column means of the feature table of the unseen scenes. */
  means: readonly FeatureMean[];
  /** Its counts compared with the drawn objects. */
  objects: readonly CountedObjects[];
  signal?: AbortSignal | undefined;
}

/** Mean mIoU over the seeds. */
export function meanOf(seeds: readonly JudgedSeed[], way: HeadWay): number {
  return seeds.reduce((sum, { evaluations }) => sum + (evaluations[way].mIoU ?? 0), 0) / seeds.length;
}

/** Smallest and largest mIoU of the seeds as a note; none if they are equal. */
function rangeOf(seeds: readonly JudgedSeed[], way: HeadWay): { note?: string } {
  const all = seeds.map(({ evaluations }) => evaluations[way].mIoU ?? 0);
  const [low, high] = [percent(Math.min(...all)), percent(Math.max(...all))];
  return low === high ? {} : { note: `${low} to ${high}` };
}

/** Makes the demo's report. @throws DinoSegError of segmentation; the signal's reason */
export async function demoReport(results: DemoResults, seconds: number): Promise<Report> {
  const { model, unseen, seeds, own, means } = results;
  const first = seeds[0]!;
  const order: HeadWay[] = ['xavier', 'mapped', 'probe', 'trained'];
  const named = order.map((way) => ({ name: wayTexts[way], evaluation: first.evaluations[way] }));
  const seedsText = seeds.length === 1 ? `seed ${first.seed}` : `mean of ${counted(seeds.length, 'seed')}`;
  const images = imagesTable(unseen, first.evaluations.trained);
  const sections: ReportSection[] = [
    {
      kind: 'figures',
      title: 'mIoU on unseen scenes',
      note: `IDD's 26 classes, ${seedsText}.`,
      figures: (Object.entries(figureLabels) as [HeadWay, string][]).map(([way, label]) => ({
        ...{ label, value: percent(meanOf(seeds, way)) },
        ...rangeOf(seeds, way),
      })),
    },
    await examples(results, first),
    {
      kind: 'table',
      title: 'Seeds',
      columns: ['Seed', ...headWays.map((way) => wayTexts[way])],
      rows: seeds.map(({ seed, evaluations }) => [
        String(seed),
        ...headWays.map((way) => ({ text: percent(evaluations[way].mIoU), value: evaluations[way].mIoU })),
      ]),
    },
    ...classSections(named, unseen.classSet),
    ...(images ? [{ ...images, note: `The trained head of seed ${first.seed}. ${images.note ?? ''}` }] : []),
    objectsSection(results.objects),
    {
      kind: 'table',
      title: 'Features of the unseen scenes',
      note: 'Means over the rows of features.csv. That table has its own report, features_csv_files/report.html.',
      columns: ['Feature', 'Mean'],
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
            ['network', 'street-small, trained only on drawn scenes'],
            ['weights', model.parameters.toLocaleString('en')],
            ['mIoU of its own ADE20K classes on these scenes', percent(own.mIoU)],
            ['unseen scenes', String(unseen.length)],
          ],
        },
        { title: 'Timing', rows: [['The whole demo', `${seconds.toFixed(0)} s`]] },
        { title: 'Hardware and versions', rows: hardwareRows(model.devices) },
      ],
    },
  ];
  return {
    title: 'dinov3-seg demo',
    lead: 'A small network is trained with a new head for 26 classes of street scenes. A program drew all scenes, so the results say nothing about photographs.',
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
      'Objects per scene: drawn, and counted in features.csv. Error: mean absolute difference per scene; the last column is the error of ' +
      'predicting the mean for every scene. Pictures with boxes are in features_csv_files/overlays.',
    columns: ['Object', 'Drawn', 'Counted', 'Error', 'Error of the mean'],
    rows: [
      ...objects.map((one) => [
        one.name,
        ...[one.drawn, one.counted, one.error, one.errorOfMean].map(number),
      ]),
      ['mean of the classes', '', '', number(error), number(errorOfMean)],
    ],
  };
}

async function examples(
  results: DemoResults,
  { seed, heads: files, evaluations }: JudgedSeed,
): Promise<ReportSection> {
  const { model, unseen, imageSize, signal } = results;
  using trained = await openHead(files.trained, { device: model.device });
  using probe = await openHead(files.probe, { device: model.device });
  const heads: [string, SegmentationHead][] = [
    ['prediction', trained],
    ['linear probe', probe],
  ];
  const { imageIou } = evaluations.trained;
  const { places, note } = shownImages(unseen.length, imageIou, mostShown);
  async function* pictures(): AsyncGenerator<ExampleInput, void, void> {
    for (const index of places) {
      const { image, label, name } = await unseen.load(index);
      const maps: NonNullable<ExampleInput['maps']>[number][] = [];
      for (const [name, head] of heads)
        maps.push({
          role: 'prediction',
          name,
          ...(await model.segment(image, { head, imageSize, scoring: 'recipe', signal })),
        });
      yield { name, image, iou: imageIou[index] ?? null, maps: [...maps, { role: 'truth', ...label }] };
    }
  }
  return await examplesSection(
    { title: 'Unseen scenes', note: `Heads of seed ${seed}. ${note}`, order: 'highest' },
    pictures(),
    unseen.classSet,
  );
}
