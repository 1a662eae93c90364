/** The report of predictions, gathered while they are made. */
import type { ClassSet } from '../data/class-set.js';
import type { RgbImage } from '../data/decode.js';
import { spread } from '../data/preview.js';
import type { DinoSegError } from '../errors.js';
import type { SegmentationHead } from '../model/segmentation-head.js';
import type { SegmentationModel } from '../model/segmentation-model.js';
import { hardwareRows } from '../native/hardware.js';
import { countPixels } from '../report/class-statistics.js';
import { attemptReport, type ReportOutcome } from '../report/html/attempt.js';
import { Examples } from '../report/html/example.js';
import { failureTable } from '../report/html/failures.js';
import { count, duration, now, percent } from '../report/html/format.js';
import type { PropertiesSection, Report, ReportSection, TableSection } from '../report/html/report.js';
import { counted } from '../text.js';
import { segmenterRows } from '../model/segmenter-settings.js';

/** Images that are shown. */
const shownImages = 16;

/** Gathers what a report of predictions shows; {@link PredictionReport.write} never throws. */
export class PredictionReport {
  readonly #examples: Examples;
  readonly #shown: readonly number[];
  readonly #sums: Float64Array;
  readonly #largest: Float64Array;
  readonly #occurs: Uint32Array;
  readonly #started = performance.now();
  #images = 0;
  #fault: unknown;

  /** @param images how many there will be. */
  constructor(
    private readonly classSet: ClassSet,
    private readonly images: number,
  ) {
    const { length } = classSet.classes;
    this.#examples = new Examples(classSet);
    this.#shown = spread(images, shownImages);
    this.#sums = new Float64Array(length);
    this.#largest = new Float64Array(length);
    this.#occurs = new Uint32Array(length);
  }

  /** Takes a prediction; `map` has the image's size. A fault is kept for {@link PredictionReport.write} to tell. */
  async add(place: number, name: string, image: RgbImage, map: Uint8Array): Promise<void> {
    this.#images++;
    const { counts } = countPixels(map, this.classSet);
    counts.forEach((pixels, index) => {
      const share = pixels / Math.max(1, map.length);
      this.#sums[index]! += share;
      this.#largest[index] = Math.max(this.#largest[index]!, share);
      if (pixels > 0) this.#occurs[index]!++;
    });
    // The next image takes the place of one that could not be read.
    const due = this.#shown.filter((each) => each <= place).length;
    if (this.#examples.count >= due) return;
    const { width, height } = image;
    try {
      await this.#examples.add({ name, image, maps: [{ role: 'prediction', data: map, width, height }] });
    } catch (error) {
      this.#fault ??= error;
    }
  }

  /** Writes the report. @param settings what was chosen beside network and head */
  async write(
    path: string,
    model: SegmentationModel,
    head: SegmentationHead,
    settings: Readonly<Record<string, string | number | undefined>>,
    failed: readonly { image: string; error: DinoSegError }[],
  ): Promise<ReportOutcome> {
    return attemptReport(path, () => this.#report(model, segmenterRows(model, head, settings), failed));
  }

  async #report(
    model: SegmentationModel,
    settings: [string, string][],
    failed: readonly { image: string; error: DinoSegError }[],
  ): Promise<Report> {
    if (this.#fault !== undefined) throw this.#fault;
    const seconds = (performance.now() - this.#started) / 1000;
    const rate = (this.#images / seconds).toFixed(2);
    const shown = this.#examples.count;
    const heading =
      shown < this.#images
        ? { title: 'Images', note: `${shown} of ${counted(this.#images, 'image')}, spread evenly.` }
        : { title: 'Images' };
    const circumstances: PropertiesSection = {
      kind: 'properties',
      title: 'Settings, time and machine',
      groups: [
        { title: 'Settings', rows: settings },
        {
          title: 'Timing',
          rows: [
            ['Total, with decoding and writing', duration(seconds)],
            ['Images per second', rate],
          ],
        },
        { title: 'Hardware and versions', rows: hardwareRows(model.devices) },
      ],
    };
    const sections: ReportSection[] = [
      {
        kind: 'figures',
        title: 'Result',
        figures: [
          { label: 'Images', value: count(this.#images) },
          { label: 'Failed', value: count(failed.length) },
          { label: 'Images per second', value: rate },
        ],
      },
    ];
    if (shown > 0) sections.push(this.#examples.section(heading));
    if (this.#images > 0) sections.push(this.#classTable());
    if (failed.length > 0) sections.push(failureTable(failed));
    return {
      title: `Predictions of ${this.classSet.name}`,
      lead: `${counted(this.#images, 'image')} segmented with ${model.path}.`,
      made: now(),
      sections: [...sections, circumstances],
    };
  }

  #classTable(): TableSection {
    const total = this.#images;
    const number = (value: number, text = percent(value, 2)) => ({ value, text });
    return {
      kind: 'table',
      title: 'Classes',
      note: 'Share of pixels of each class.',
      columns: ['Class', 'Mean share', 'Largest share', 'Images with it'],
      rows: this.classSet.classes.map(({ index, name }) => [
        name,
        number(this.#sums[index]! / total),
        number(this.#largest[index]!),
        number(this.#occurs[index]!, count(this.#occurs[index]!)),
      ]),
    };
  }
}
