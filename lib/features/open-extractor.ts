/** Percentages and counts of an image as the features of a table, from a segmentor and, for counts, a detector. */
import {
  callback,
  checkArgument,
  checkOptions,
  flag,
  listOf,
  needed,
  number,
  optionsFor,
  signalOption,
  text,
  without,
  type OptionKinds,
} from '../arguments.js';
import { rgbImageKind } from '../data/argument-kinds.js';
import type { RgbImage } from '../data/decode.js';
import { coco91Names } from '../data/sets/coco91.js';
import { DinoSegError } from '../errors.js';
import type { ImagePercentages } from '../model/class-shares.js';
import { DetectionModel } from '../model/detection-model.js';
import type { Detection } from '../model/detections.js';
import { detectorInputSize, type ImageSize } from '../model/image-size.js';
import { passesPerDevice } from '../model/in-order-over.js';
import { defaultPrecision } from '../model/network-precision.js';
import { BatchRunner, checkPassSize, defaultPassSize, logStreaming } from '../model/pass-size.js';
import { ReplicaPool } from '../model/replicas.js';
import type { SegmentationModel } from '../model/segmentation-model.js';
import { detectorPassBytes, float16Bytes, type NetworkUse } from '../model/weight-plan.js';
import { engine } from '../native/engine.js';
import { packageVersion } from '../package-version.js';
import { withoutUndefined } from '../without-undefined.js';
import { drawBoxes } from './annotation.js';
import { unassignedColumn } from './columns.js';
import { countedClasses, type CountedClass } from './feature-set.js';
import type { FeatureColumn, FeatureExtractor, ImageFeatures } from './extractor.js';
import { readingImages, readingOptions, type ReadingOptions } from './reading.js';
import {
  SegmentationFeatures,
  segmentationOptions,
  type SegmentationFeaturesOptions,
} from './segmentation-features.js';

/** Options of {@link openFeatureExtractor}. */
export interface FeatureExtractorOptions
  extends Omit<SegmentationFeaturesOptions, 'model' | 'onProgress'>, ReadingOptions {
  /** File of the segmentation network. */
  model: string;
  /** File of the detection network. Without it there are no counts. */
  detector?: string;
  /** Minimum score of a counted object, 0…1. Default 0.5. */
  threshold?: number;
  /** Width and height of the detector's input in pixels, a multiple of 16 from 80. Default 768. */
  detectorSize?: number;
  /**
   * Whether the detector shares the segmentor's backbone, which is then in memory once; a detector with another
   * backbone is an error. False: each has its own. Default true.
   */
  sharedBackbone?: boolean;
  /**
   * Images per pass of the segmentation network. Default: 1 on the CPU, else up to 8, depending on the device's
   * total memory minus the networks: the smallest of several devices counts. The default is the same on the same devices, whatever
   * else is in their memory, and does not depend on their number.
   */
  passSize?: number;
  /** Called with warnings: reasons why values may be wrong although everything fits. */
  onLog?: (line: string) => void;
}

const extractorOptions: OptionKinds<FeatureExtractorOptions> = {
  model: needed(text),
  ...without(segmentationOptions, 'model', 'onProgress'),
  detector: text,
  threshold: number,
  detectorSize: number,
  sharedBackbone: flag,
  passSize: number,
  ...readingOptions,
  onLog: callback(),
};

/** How objects are counted. */
interface Counting {
  classes: readonly CountedClass[];
  threshold: number;
  size: ImageSize;
  /** Images per pass of the detector. */
  passSize: number;
}

/**
 * Opens networks and heads as an extractor for {@link extractTable}. On several devices, each has the networks and takes passes of
 * its own; values do not depend on which. The columns are percentages, counts in
 * the order of {@link countedClasses}, and `unassigned`: the percentage of pixels that no percentage counts, transparent ones included. An image's detections are the counted boxes. Disposing of the extractor
 * frees the networks.
 *
 * @throws DinoSegError INVALID_ARGUMENT for options that exclude each other; SHAPE for sizes; BACKBONE_MISMATCH if
 *   the detector has another backbone and should share; HEAD_MISMATCH for heads and detectors of other classes;
 *   CLASSES for an invalid map; and what loading throws.
 */
export async function openFeatureExtractor(options: FeatureExtractorOptions): Promise<FeatureExtractor> {
  checkOptions(options, extractorOptions, 'openFeatureExtractor()');
  const { passSize, onLog } = options;
  const counting = countingOf(options);
  checkPassSize(passSize);
  const features = await SegmentationFeatures.open(
    optionsFor(segmentationOptions, options),
    await useOf(options, counting.size),
  );
  let detector: DetectionModel | undefined;
  try {
    if (options.detector !== undefined)
      detector = await openDetector(options.detector, features.model, counting.size, options);
    for (const warning of features.warnings) onLog?.(warning);
    const room = permanentRoom(features.model, detector);
    const size = passSize ?? defaultPassSize(features.model, features.settings.imageSize, room);
    logStreaming(features.model, size, onLog);
    const detectorPasses = detector
      ? defaultPassSize(detector.passModel, counting.size, (device) => room(device) * shareOfDetector)
      : 1;
    const extractor = new NetworkExtractor(
      features,
      detector,
      { ...counting, passSize: detectorPasses },
      size,
    );
    return readingImages(extractor, options);
  } catch (error) {
    detector?.dispose();
    features.dispose();
    throw error;
  }
}

/** What the segmentor has to leave room for. */
async function useOf(
  {
    passSize,
    detector,
    dtype = 'stored',
    precision = defaultPrecision,
    sharedBackbone = true,
    signal,
  }: FeatureExtractorOptions,
  size: ImageSize,
): Promise<NetworkUse> {
  if (detector === undefined) return { passSize };
  // A file that cannot be read is refused when it is loaded.
  const sizes = await engine()
    .networkSizes(detector, dtype, precision)
    .catch(() => undefined);
  signal?.throwIfAborted();
  if (!sizes) return { passSize };
  const besideBytes =
    sizes.otherBytes + float16Bytes(sizes, precision) + (sharedBackbone ? 0 : sizes.ringBytes);
  return { passSize, besideBytes, betweenBytes: detectorPassBytes(sizes, size) };
}

/** Checked before any file is read. */
function countingOf(options: FeatureExtractorOptions): Omit<Counting, 'passSize'> {
  const { set = '36', threshold = 0.5, detectorSize = 768 } = options;
  for (const name of ['threshold', 'detectorSize', 'sharedBackbone'] as const)
    if (options[name] !== undefined && options.detector === undefined)
      throw new DinoSegError(
        'INVALID_ARGUMENT',
        `${name} applies to counting objects, but no detector is given. Give its file (--detector), or leave out ${name}.`,
      );
  if (!(threshold >= 0 && threshold <= 1))
    throw new DinoSegError('INVALID_ARGUMENT', `threshold should be from 0 to 1, not ${threshold}.`);
  const size = { width: detectorSize, height: detectorSize };
  return { classes: countedClasses(set), threshold, size: detectorInputSize(size, size) };
}

async function openDetector(
  path: string,
  segmentor: SegmentationModel,
  size: ImageSize,
  options: FeatureExtractorOptions,
): Promise<DetectionModel> {
  const { dtype = 'stored', precision, weights, gpuMemory, sharedBackbone = true, signal } = options;
  const { trustCode, timeout } = options;
  const given = withoutUndefined({ weights, gpuMemory, trustCode, timeout });
  const placement = { device: segmentor.devices, dtype, signal, ...given };
  const shared = {
    ...placement,
    ...(precision && { precision }),
    ...(sharedBackbone && { shareWith: segmentor }),
  };
  const detector = await DetectionModel.load(path, shared, size).catch((error: unknown) => {
    if (!(error instanceof DinoSegError) || error.code !== 'BACKBONE_MISMATCH') throw error;
    throw new DinoSegError(
      'BACKBONE_MISMATCH',
      `${error.message}. To load two different backbones, use --no-shared-backbone (sharedBackbone: false), ` +
        'which needs memory for both.',
      { cause: error },
    );
  });
  try {
    await checkDetector(detector, size, signal);
    return detector;
  } catch (error) {
    detector.dispose();
    throw error;
  }
}

async function checkDetector(
  detector: DetectionModel,
  size: ImageSize,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { path, classes } = detector;
  if (classes !== coco91Names.length)
    throw new DinoSegError(
      'HEAD_MISMATCH',
      `Counts need a detector of COCO's ${coco91Names.length} category ids; ${path} ` +
        `${classes === 0 ? 'does not state how many it has' : `has ${classes}`}. Convert the released detector (task detection).`,
    );
  // A size that the detector refuses would else be the fault of every image.
  const blank = { data: new Uint8Array(3), width: 1, height: 1, channels: 3 as const };
  await detector.detect(blank, { top: 1, imageSize: size, signal });
}

/** Share of the room for passes that the detector's count on: the segmentor's recorded passes hold theirs meanwhile. */
const shareOfDetector = 0.5;

/** Bytes of a device that passes may use: of its permanent memory use only, so that a resumed run has the same passes. */
function permanentRoom(model: SegmentationModel, detector: DetectionModel | undefined) {
  const weights = engine().storageBytes([model.handle, ...(detector ? [detector.handle] : [])]);
  return (device: string) => engine().memoryRoom(device).totalBytes - weights;
}

const rgbImagesKind = listOf(rgbImageKind, 'an array of images, as decodeImage() gives them');

/** The networks on one device. */
interface Networks {
  model: SegmentationModel;
  detector: DetectionModel | undefined;
}

class NetworkExtractor implements FeatureExtractor {
  readonly columns: readonly FeatureColumn[];
  readonly settings: Record<string, unknown>;
  readonly device: string;
  readonly devices: readonly string[];
  readonly concurrency: number;
  /** On a GPU, the kernels of a product follow from its size alone, and each row is summed in the same order. */
  readonly isIndependent: boolean;
  readonly #runner: BatchRunner;
  /** An image's segmentor and detector are those of one device, so that passes are spread evenly. */
  readonly #pool: ReplicaPool<Networks>;

  constructor(
    private readonly features: SegmentationFeatures,
    private readonly detector: DetectionModel | undefined,
    private readonly counting: Counting,
    readonly passSize: number,
  ) {
    const { classes, threshold, size } = counting;
    const { device, devices, replicas } = features.model;
    this.device = device;
    this.devices = devices;
    this.#pool = new ReplicaPool(replicas.map((model, i) => ({ model, detector: detector?.replicas[i] })));
    this.concurrency = passesPerDevice * devices.length;
    this.isIndependent = devices.every((each) => each.startsWith('cuda'));
    this.columns = [
      ...features.columns.map((name) => ({ name, kind: 'percent' as const })),
      ...(detector ? classes.map(({ column }) => ({ name: column, kind: 'count' as const })) : []),
      { name: unassignedColumn, kind: 'percent' },
    ];
    this.settings = {
      package: packageVersion(),
      segmentation: features.settings,
      detection: detector
        ? {
            detector: { id: detector.id, dtype: detector.dtype, precision: detector.precision },
            imageSize: size,
            threshold,
            classes: classes.map(({ name }) => name),
          }
        : null,
    };
    this.#runner = new BatchRunner(passSize, { mayHalve: true });
    this.#runner.keep(
      'All passes of a table have one size: start again with a smaller one (--pass-size) and another output.',
    );
  }

  /** What float16 cannot hold. */
  get runAgain(): number {
    return (this.features.model.float16?.runAgain ?? 0) + (this.detector?.float16?.runAgain ?? 0);
  }

  async extract(
    images: Parameters<FeatureExtractor['extract']>[0],
    options: { signal?: AbortSignal } = {},
  ): Promise<ImageFeatures[]> {
    checkArgument(images, rgbImagesKind, 'extract(images)');
    checkOptions(options, signalOption, 'extract()');
    const { signal } = options;
    const on = async ({ model, detector }: Networks) => {
      const percentages = await this.features.on(model, images, { signal });
      const detections = detector && (await this.#detect(detector, images, signal));
      return percentages.map((ofImage, i) => this.#withCounts(ofImage, detections?.[i]));
    };
    return this.#runner.run(() => this.#pool.run(on));
  }

  #detect(detector: DetectionModel, images: readonly RgbImage[], signal: AbortSignal | undefined) {
    const { threshold, size, passSize } = this.counting;
    return detector.detectBatch(images, {
      threshold,
      // All of them: a crowd must not be counted short.
      top: detector.queries * detector.classes,
      imageSize: size,
      passSize,
      signal,
    });
  }

  #withCounts(
    { values, unassigned }: ImagePercentages,
    all: readonly Detection[] | undefined,
  ): ImageFeatures {
    if (!all) return { values: [...values, unassigned] };
    const { classes } = this.counting;
    const detections = all.filter(({ label }) => classes.some((counted) => counted.label === label));
    const counts = classes.map((counted) => detections.filter(({ label }) => label === counted.label).length);
    return { values: [...values, ...counts, unassigned], detections };
  }

  overlay(image: RgbImage, { detections = [] }: ImageFeatures): Promise<RgbImage> {
    return drawBoxes(image, detections);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.detector?.[Symbol.asyncDispose]();
    await this.features.model[Symbol.asyncDispose]();
    this.features.dispose();
  }
}
