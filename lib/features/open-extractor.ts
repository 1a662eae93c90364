/** An extractor of networks: percentages by the segmentor, counts by the detector, one backbone for both. */
import { composeSvg, type RgbImage } from '../data/decode.js';
import { annotationSvg } from './annotation.js';
import { DinoSegError } from '../errors.js';
import { DetectionModel, type Detection } from '../model/detection-model.js';
import { Passes } from '../model/pass-size.js';
import type { FeatureExtractor, ImageFeatures } from './extractor.js';
import type { ExtractorOptions } from './extractor-options.js';
import { countedClasses, type CountedClass } from './feature-set.js';
import { SegmentationFeatures } from './segmentation-features.js';

/** Width and height of the detector's input, pixels. */
const detectorSize = { width: 768, height: 768 };
/** Most objects of an image. */
const mostObjects = 300;

/**
 * Opens networks, head and map as an extractor. The detector takes its backbone's weights from the segmentor: they are in
 * memory once.
 *
 * @throws DinoSegError INVALID_ARGUMENT where a threshold comes without a detector; BACKBONE_MISMATCH for a detector of
 *   another backbone; what opening the percentages and loading throws.
 */
export async function openFeatureExtractor(options: ExtractorOptions): Promise<FeatureExtractor> {
  const { detector: path, threshold, passSize, onLog, ...choice } = options;
  if (threshold !== undefined && path === undefined)
    throw new DinoSegError(
      'INVALID_ARGUMENT',
      'A threshold is of the detector, and none was given: give one (--detector FILE), or leave --threshold out.',
    );
  const percentages = await SegmentationFeatures.open(choice);
  let detector: DetectionModel | undefined;
  try {
    for (const warning of percentages.warnings) onLog?.(warning);
    const { model } = percentages;
    if (path !== undefined) detector = await DetectionModel.load(path, { shareWith: model });
    if (detector) checkNames(detector);
    const { width, height } = percentages.settings.imageSize;
    const passes = Passes.of(model, { width, height }, { passSize });
    return new NetworkExtractor(percentages, detector, {
      counted: detector ? countedClasses(options.set ?? '36') : [],
      threshold: threshold ?? 0.5,
      passSize: passes.size,
    });
  } catch (error) {
    detector?.dispose();
    percentages.dispose();
    throw error;
  }
}

function checkNames({ classes, path }: DetectionModel): void {
  if (classes === 91) return;
  throw new DinoSegError(
    'HEAD_MISMATCH',
    `${path} tells ${classes} classes apart; counts are of COCO's categories, which take 91 outputs. Give a detector that ` +
      'was trained on COCO, or none (--detector left out: percentages alone).',
  );
}

class NetworkExtractor implements FeatureExtractor {
  readonly columns: FeatureExtractor['columns'];
  readonly settings: Record<string, unknown>;
  readonly passSize: number;

  constructor(
    private readonly percentages: SegmentationFeatures,
    private readonly detector: DetectionModel | undefined,
    private readonly counts: { counted: readonly CountedClass[]; threshold: number; passSize: number },
  ) {
    const { counted, threshold, passSize } = counts;
    this.passSize = passSize;
    this.columns = [
      ...percentages.columns.map((name) => ({ name, kind: 'percent' as const })),
      ...counted.map(({ column }) => ({ name: column, kind: 'count' as const })),
    ];
    this.settings = {
      segmentation: percentages.settings,
      detection: detector
        ? {
            model: { id: detector.id, dtype: detector.dtype },
            threshold,
            inputSize: detectorSize,
            mostObjects,
          }
        : null,
    };
  }

  async extract(images: readonly RgbImage[], options: { signal?: AbortSignal }): Promise<ImageFeatures[]> {
    const shares = await this.percentages.of(images, options);
    const features: ImageFeatures[] = [];
    for (const [i, { values }] of shares.entries())
      features.push(await this.#counted(images[i]!, values, options));
    return features;
  }

  async #counted(
    image: RgbImage,
    percentages: readonly number[],
    options: { signal?: AbortSignal },
  ): Promise<ImageFeatures> {
    const { counted, threshold } = this.counts;
    if (!this.detector) return { values: percentages };
    const settings = { threshold, imageSize: detectorSize, top: mostObjects, ...options };
    const found = await this.detector.detect({ ...image, channels: 3 }, settings);
    const of = new Set(counted.map(({ label }) => label));
    const detections = found.filter(({ label }) => of.has(label));
    return {
      values: [...percentages, ...counted.map(({ label }) => countOf(detections, label))],
      detections,
    };
  }

  overlay(image: RgbImage, { values, detections = [] }: ImageFeatures): Promise<RgbImage> {
    const shares = this.percentages.columns.map((name, i) => ({ name, percent: values[i]! }));
    return composeSvg(image, annotationSvg(image, shares, detections));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.detector?.[Symbol.asyncDispose]();
    this.percentages.dispose();
  }
}

function countOf(detections: readonly Detection[], label: number): number {
  return detections.filter((each) => each.label === label).length;
}
