/** The report of an evaluation. */
import { checkArgument, checkOptions, kind, number, signal, text, type OptionKinds } from '../arguments.js';
import { datasetKind, type SegmentationDataset } from '../data/dataset.js';
import { isObject } from '../json.js';
import { scoring } from '../model/argument-kinds.js';
import { imageSizeOf } from '../model/image-size.js';
import { headKind } from '../model/open-head.js';
import type { SegmentationHead } from '../model/segmentation-head.js';
import { scoringOf } from '../model/scoring.js';
import { modelKind, type SegmentationModel } from '../model/segmentation-model.js';
import { hardwareRows } from '../native/hardware.js';
import { examplesSection, type ExampleInput } from '../report/html/example.js';
import { now } from '../report/html/format.js';
import type { Report, ReportSection } from '../report/html/report.js';
import type { EvaluateOptions } from './evaluate.js';
import { evaluationSections, evaluationTiming } from './evaluation-report.js';
import { counted } from '../text.js';
import { segmenterRows } from '../model/segmenter-settings.js';
import { imagesTable, shownImages } from './shown-images.js';
import { evaluationKind, type Evaluation } from './evaluation.js';

/** Options of {@link evaluationReport}. */
export interface EvaluationReportOptions extends Pick<EvaluateOptions, 'imageSize' | 'scoring' | 'signal'> {
  /**
   * Number of images to show: half of them with the lowest IoU, the others spread evenly over the data set. Each passes
   * through the network once more. Default 8.
   */
  examples?: number;
  /** Text below the title. Default: the number of images. */
  lead?: string;
  /** Settings to list in addition to those of network and head. */
  settings?: Readonly<Record<string, string | number | undefined>>;
}

const evaluationReportOptions: OptionKinds<EvaluationReportOptions> = {
  imageSize: number,
  scoring,
  signal,
  examples: number,
  lead: text,
  settings: kind('an object of names and values', isObject),
};

/**
 * Makes a report of an evaluation for {@link writeReport}: metrics, classes, confusion matrix, and images with prediction,
 * ground truth and errors.
 *
 * @param evaluation result of {@link evaluate} for the same network, head and data set.
 * @throws DinoSegError HEAD_MISMATCH, and what segmenting an image throws; the signal's reason.
 */
export async function evaluationReport(
  model: SegmentationModel,
  head: SegmentationHead,
  dataset: SegmentationDataset,
  evaluation: Evaluation,
  options: EvaluationReportOptions = {},
): Promise<Report> {
  checkArgument(model, modelKind, 'evaluationReport(model)');
  checkArgument(head, headKind, 'evaluationReport(head)');
  checkArgument(dataset, datasetKind, 'evaluationReport(dataset)');
  checkArgument(evaluation, evaluationKind, 'evaluationReport(evaluation)');
  checkOptions(options, evaluationReportOptions, 'evaluationReport()');
  const { classSet } = dataset;
  const { signal, examples = 8, settings = {} } = options;
  const imageSize = imageSizeOf(options.imageSize, [head]);
  const scoring = scoringOf(head, classSet, options.scoring);
  const { places, note } = shownImages(dataset.length, evaluation.imageIou, examples);
  async function* pictures(): AsyncGenerator<ExampleInput, void, void> {
    for (const index of places) {
      const { image, label, name } = await dataset.load(index);
      const map = await model.segment(image, { head, imageSize, scoring, signal });
      yield {
        ...{ name, image, iou: evaluation.imageIou[index] ?? null },
        maps: [
          { role: 'prediction', ...map },
          { role: 'truth', ...label },
        ],
      };
    }
  }
  const heading = { title: 'Examples', note, order: 'lowest' } as const;
  const [figures, ...others] = evaluationSections([{ name: 'evaluation', evaluation }], classSet);
  const images = imagesTable(dataset, evaluation);
  const sections: ReportSection[] = [figures!];
  if (places.length > 0) sections.push(await examplesSection(heading, pictures(), classSet));
  sections.push(...others, ...(images ? [images] : []));
  const chosen = { 'image size': imageSize, scoring, 'label files': dataset.labelKind, ...settings };
  return {
    title: `Evaluation on ${classSet.name}`,
    lead: options.lead ?? `${counted(evaluation.images, 'image')}.`,
    made: now(),
    sections: [
      ...sections,
      {
        kind: 'properties',
        title: 'Settings, time and machine',
        groups: [
          { title: 'Settings', rows: segmenterRows(model, head, chosen) },
          evaluationTiming(evaluation),
          { title: 'Hardware and versions', rows: hardwareRows(model.devices) },
        ],
      },
    ],
  };
}
