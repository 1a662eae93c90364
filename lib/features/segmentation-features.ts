/** Percentages of classes in images, in one pass of the network for one or two heads. */
import { checkOptions, either, flag, needed, optionsFor, text, type OptionKinds } from '../arguments.js';
import type { ClassSet } from '../data/class-set.js';
import type { ImageInput } from '../data/decode.js';
import { DinoSegError } from '../errors.js';
import { fileDigest } from '../files.js';
import { imageSize } from '../model/argument-kinds.js';
import { classShares, percentagesOf, type ImagePercentages } from '../model/class-shares.js';
import { asSize, checkImageSize, imageSizeOf, type ImageSize } from '../model/image-size.js';
import { loadOptions, type LoadOptions } from '../model/load-options.js';
import { openHead } from '../model/open-head.js';
import type { SegmentationHead } from '../model/segmentation-head.js';
import { scoringOf } from '../model/scoring.js';
import { modelKind, SegmentationModel } from '../model/segmentation-model.js';
import type { NetworkUse } from '../model/weight-plan.js';
import { jobOptions, type JobOptions } from '../native/job.js';
import type { Scoring } from '../native/bindings/engine.js';
import {
  choiceOptions,
  percentagePlan,
  type FeatureChoice,
  type PercentagePlan,
  type PlanLayer,
} from './feature-set.js';
import { mapSettings, type SegmentationSettings } from './segmentation-settings.js';

/** Options of {@link SegmentationFeatures.open}. `onProgress` receives bytes of the network read. */
export interface SegmentationFeaturesOptions extends LoadOptions, FeatureChoice {
  /**
   * The network's file, or a network that is open: the caller's to dispose of, and what {@link LoadOptions} say of where and
   * how it runs does not count.
   */
  model: string | SegmentationModel;
  /** Head file of the fine-tuned head, a class_embed or a linear probe. */
  head?: string;
  /** Whether to compute percentages from scores instead of the best class of each pixel (docs/features.md). Default false. */
  soft?: boolean;
  /** Input size of the network in pixels. Default: the head's training size, else 512. */
  imageSize?: number | ImageSize;
}

/** The kinds of {@link SegmentationFeaturesOptions}. */
export const segmentationOptions: OptionKinds<SegmentationFeaturesOptions> = {
  model: needed(either(text, modelKind)),
  head: text,
  ...choiceOptions,
  soft: flag,
  imageSize,
  ...loadOptions,
};

/** A layer of the plan with its head. */
interface OpenLayer {
  head: SegmentationHead;
  scoring: Scoring;
  plan: PlanLayer;
}

/**
 * Percentages of classes in images. The engine makes class maps, combines and counts them: no per-pixel data enters
 * JavaScript. `dispose()` or `using` frees its memory.
 */
export class SegmentationFeatures implements Disposable {
  /** Names of the values in their order: `seg_vit_<class>`, percent of pixels. */
  readonly columns: readonly string[];
  /** Settings that determine the values. */
  readonly settings: Readonly<SegmentationSettings>;
  /** How the columns are computed, for {@link percentagesOfLabels}. */
  readonly plan: PercentagePlan;
  /** The network, which may be used for other calls. */
  readonly model: SegmentationModel;
  /** Reasons why results may be wrong although head, network and classes fit. */
  readonly warnings: readonly string[];
  readonly #layers: readonly OpenLayer[];
  readonly #close: () => void;

  private constructor(
    parts: Pick<SegmentationFeatures, 'settings' | 'plan' | 'model' | 'warnings'>,
    layers: readonly OpenLayer[],
    close: () => void,
  ) {
    this.settings = parts.settings;
    this.plan = parts.plan;
    this.model = parts.model;
    this.warnings = parts.warnings;
    this.columns = parts.plan.columns;
    this.#layers = layers;
    this.#close = close;
  }

  /**
   * Opens network and head and checks that they fit together and provide the requested columns.
   *
   * @throws DinoSegError INVALID_ARGUMENT for options that exclude each other, a missing head, and a head that no
   *   column needs; HEAD_MISMATCH for heads of other classes; CLASSES for an invalid map; SHAPE for the image size;
   *   and what loading throws.
   */
  static async open(options: SegmentationFeaturesOptions): Promise<SegmentationFeatures>;
  /** For a known use of the network. @internal */
  static async open(options: SegmentationFeaturesOptions, use: NetworkUse): Promise<SegmentationFeatures>;
  static async open(
    options: SegmentationFeaturesOptions,
    use: NetworkUse = {},
  ): Promise<SegmentationFeatures> {
    checkOptions(options, segmentationOptions, 'SegmentationFeatures.open()');
    const { head: headPath, soft = false } = options;
    const choice = optionsFor(choiceOptions, options);
    let plan = await percentagePlan(choice, headPath !== undefined);
    checkHeadGiven(plan, headPath);
    const isOwn = typeof options.model === 'string';
    const model =
      typeof options.model === 'string'
        ? await SegmentationModel.load(options.model, optionsFor(loadOptions, options), {
            ...use,
            ...(options.imageSize !== undefined && { imageSize: asSize(options.imageSize) }),
          })
        : options.model;
    let opened: SegmentationHead | undefined;
    const close = () => {
      opened?.dispose();
      if (isOwn) model.dispose();
    };
    try {
      if (isDefault(choice) && !model.provides.includes('decoded'))
        plan = await percentagePlan({ ...choice, flavour: 'idd26-head' }, true);
      checkOwnHead(plan, model);
      if (headPath !== undefined) opened = await openHead(headPath, { device: model.device });
      opened?.assertFits(model);
      // A plan for a fine-tuned head without a file was chosen for a backbone alone: the probe inside it.
      const given = opened ?? (plan.layers.some(({ from }) => from === 'head') ? model.ownHead() : undefined);
      const layers = plan.layers.map((layer) =>
        openLayer(layer, layer.from === 'own' ? undefined : given, model),
      );
      const imageSize = asSize(imageSizeOf(options.imageSize, given ? [given] : []));
      checkImageSize(imageSize.width, imageSize.height);
      const digest = headPath === undefined ? '' : await fileDigest(headPath);
      const settings: SegmentationSettings = {
        percentages: plan.name,
        map: plan.map === undefined ? null : mapSettings(plan.map),
        soft,
        imageSize: { width: imageSize.width, height: imageSize.height },
        model: { id: model.id, dtype: model.dtype, precision: model.precision },
        heads: layers.map(({ head, scoring, plan: { from, classSet } }) => ({
          head: from === 'own' || !opened ? 'own' : digest,
          classSet: classSet.name,
          scoring,
          precision: head.metadata.precision,
        })),
      };
      const trainedOn = opened?.metadata.modelId;
      const warnings =
        trainedOn === undefined || trainedOn === model.id
          ? []
          : [
              `${headPath} was trained on a different network file than ${model.path} (a different network or ` +
                'precision): percentages may be wrong.',
            ];
      return new SegmentationFeatures({ settings, plan, model, warnings }, layers, close);
    } catch (error) {
      close();
      throw error;
    }
  }

  /**
   * Computes the percentages of images, in their order. The images go through the network in one pass: a GPU needs
   * less time per image, and scores differ from those of single images by rounding. The pixels of all images are in
   * memory. `onProgress` receives images done.
   *
   * @throws DinoSegError IMAGE, FILE_NOT_FOUND, INVALID_ARGUMENT, SHAPE, OUT_OF_MEMORY, DISPOSED; the signal's
   *   reason.
   */
  async of(images: readonly ImageInput[], options: JobOptions = {}): Promise<ImagePercentages[]> {
    checkOptions(options, jobOptions, 'of()');
    return this.on(this.model, images, options);
  }

  /** {@link of} on one of the model's replicas. @internal */
  async on(
    model: SegmentationModel,
    images: readonly ImageInput[],
    job: JobOptions,
  ): Promise<ImagePercentages[]> {
    const { plan, settings } = this;
    const layers = this.#layers.map(({ head, scoring, plan: { table } }) => ({ head, scoring, table }));
    const counting = { imageSize: settings.imageSize, places: plan.places, soft: settings.soft };
    const shares = await classShares(model, layers, images, counting, job);
    return shares.map((ofImage) => percentagesOf(ofImage, plan));
  }

  /** Frees head and network now, or when running calls end. An open network that the caller passed in is not freed. */
  dispose(): void {
    this.#close();
  }

  /** {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Whether the 26 percentages are those that fit the network and the heads. */
function isDefault({ set = '36', flavour, aggregation }: FeatureChoice): boolean {
  return set === '36' && flavour === undefined && aggregation === undefined;
}

function checkHeadGiven(plan: PercentagePlan, headPath: string | undefined): void {
  const asks = plan.layers.some(({ from }) => from === 'head');
  if (asks === (headPath !== undefined)) return;
  throw new DinoSegError(
    'INVALID_ARGUMENT',
    asks
      ? `The percentages of "${plan.name}" need a fine-tuned head of ${plan.labelSet.classes.length} classes ` +
          `(${plan.labelSet.name}): give its file (--head), or choose ade26, which uses the model's own head.`
      : `The percentages of "${plan.name}" come from the model's own head only; ${headPath} would not be used. Leave out ` +
          'the head, or choose idd26, idd26-head or a map of its classes.',
  );
}

/** Checked before the head's file is read, because the network itself may be the wrong one. */
function checkOwnHead(plan: PercentagePlan, model: SegmentationModel): void {
  const layer = plan.layers.find(({ from }) => from === 'own');
  if (layer === undefined || model.classes === layer.classSet.classes.length + 1) return;
  throw new DinoSegError(
    'HEAD_MISMATCH',
    `The percentages of "${plan.name}" need a network with ADE20K's own head of 151 outputs; ` +
      (model.classes === 0
        ? `${model.path} has no class_embed. Choose idd26-head, which needs a fine-tuned head only, or use `
        : `the class_embed of ${model.path} has ${model.classes}. Use `) +
      'the network converted from the released head.',
  );
}

function openLayer(
  plan: PlanLayer,
  given: SegmentationHead | undefined,
  model: SegmentationModel,
): OpenLayer {
  const head = given ?? model.ownHead();
  const { classSet } = plan;
  // A file from elsewhere says nothing of its classes; their number must do.
  const own = given?.classSet;
  if (own && !sameClasses(own, classSet))
    throw new DinoSegError(
      'HEAD_MISMATCH',
      `The percentages need a head with the classes of ${classSet.name} (${classSet.classes.length}); this one has those ` +
        `of ${own.name} (${own.classes.length}). Use another head, or a map of its classes (docs/features.md).`,
    );
  return { head, scoring: scoringOf(head, classSet), plan };
}

function sameClasses(a: ClassSet, b: ClassSet): boolean {
  return (
    a.classes.length === b.classes.length && a.classes.every(({ name }, i) => name === b.classes[i]!.name)
  );
}
