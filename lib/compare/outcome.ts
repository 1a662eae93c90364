/** What a comparison comes to: the sides, the images one by one, the report. */
import type { ClassSet } from '../data/class-set.js';
import { segmenterRows } from '../model/segmenter-settings.js';
import type { Segmenter } from '../model/segmenter.js';
import type { SegmentationModel } from '../model/segmentation-model.js';
import { hardwareRows } from '../native/hardware.js';
import { attemptReport } from '../report/html/attempt.js';
import type { CompareOptions } from './compare-options.js';
import { sideOf, type ComparedNetwork, type ComparedSide } from './compared-network.js';
import { ComparisonAccumulator } from './comparison-accumulator.js';
import { comparisonReport } from './comparison-report.js';
import type { Comparison } from './comparison.js';
import { differenceOf, type Difference, type HeadOutputs } from './head-outputs.js';
import type { ComparedImage, ImageSource } from './image-source.js';
import { MostDifferent } from './most-different.js';

/** An image that both sides have seen. */
export interface ComparedOutputs {
  place: number;
  name: string;
  difference: Difference;
  /** Class maps by A and B, if a report may show them. */
  maps: readonly [a: Uint8Array, b: Uint8Array] | undefined;
}

interface Side {
  side: ComparedSide;
  /** For the report. */
  rows: [name: string, value: string][];
}

/** Gathers a {@link Comparison}. Sides are 0 for A and 1 for B. */
export class Outcome {
  readonly #results: ComparisonAccumulator;
  readonly #different = new MostDifferent();
  readonly #sides: Side[] = [];
  readonly #warnings: string[] = [];
  #done = 0;

  /** @param how.networks that see each image */
  constructor(
    private readonly source: ImageSource,
    private readonly classSet: ClassSet,
    private readonly how: CompareOptions & { imageSize: number; networks: number },
  ) {
    this.#results = new ComparisonAccumulator(classSet);
  }

  describe(place: 0 | 1, network: ComparedNetwork, opened: Segmenter): void {
    const { model, head, scoring, warnings } = opened;
    const rows = segmenterRows(model, head, { head: network.head ?? 'own', scoring });
    this.#sides[place] = { side: sideOf(network, opened), rows };
    for (const text of warnings) this.warn(text);
  }

  warn(text: string): void {
    this.#warnings.push(text);
  }

  /** Compares what both sides make of an image, on the device of B's outputs. */
  async compared({ place, name }: ComparedImage, a: HeadOutputs, b: HeadOutputs): Promise<ComparedOutputs> {
    const difference = await differenceOf(a, b, this.classSet.classes.length);
    if (this.how.report === undefined) return { place, name, difference, maps: undefined };
    const [ofA, ofB] = [await a.map.data(), await b.map.data()];
    return { place, name, difference, maps: [ofA as Uint8Array, ofB as Uint8Array] };
  }

  /** Takes an image that both sides have seen, in the order of the images. */
  add({ place, name, difference, maps }: ComparedOutputs): void {
    const same = this.#results.add(name, difference);
    if (maps) this.#different.add({ place, same, maps });
    this.advance();
  }

  /** Takes the counts of a side by the labels of an image, if there are labels. */
  addTruth(side: 0 | 1, counts: Float64Array | undefined): void {
    if (counts) this.#results.labels[side].add(counts);
  }

  /** Tells that one more image was seen by a network. */
  advance(): void {
    const { networks, onProgress } = this.how;
    const { failed, places } = this.source;
    onProgress?.(++this.#done + networks * failed.length, networks * places.length);
  }

  /** The comparison; writes the report, if one was requested. @param model of B */
  async finish(model: SegmentationModel): Promise<Comparison> {
    const { imageSize, report } = this.how;
    const [a, b] = this.#sides as [Side, Side];
    const comparison: Comparison = {
      ...{ a: a.side, b: b.side, classSet: this.classSet.name, imageSize },
      ...this.#results.result(),
      ...{ failed: this.source.failed, report: null },
      warnings: [...this.#warnings, ...this.source.warnings()],
    };
    if (report === undefined) return comparison;
    const circumstances = [
      { title: 'A', rows: a.rows },
      { title: 'B', rows: b.rows },
      { title: 'Hardware and versions', rows: hardwareRows(model.devices) },
    ];
    const shown = { source: this.source, classSet: this.classSet, different: this.#different.images };
    const outcome = await attemptReport(report, () => comparisonReport(comparison, shown, circumstances));
    return { ...comparison, ...outcome };
  }
}
