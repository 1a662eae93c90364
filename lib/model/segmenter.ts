/** A network with a head and the names of its classes, opened from files. */
import type { ClassSet } from '../data/class-set.js';
import type { Scoring } from '../native/surface.js';
import { openHead, type SegmentationHead } from './open-head.js';
import { classSetOf, scoringOf } from './scoring.js';
import { SegmentationModel, type LoadOptions } from './segmentation-model.js';

/** Which files belong together. */
export interface SegmenterOptions extends LoadOptions {
  /** The network file. */
  model: string;
  /** The head file, of a class_embed or of a linear probe. Without it the model's own class_embed is taken. */
  head?: string;
  /** A class set's name or file. Default: what the head names, or ade150 for 151 outputs. */
  classes?: string;
  /** Default: what the head's number of outputs says. */
  scoring?: Scoring;
  /** Default: what the head was trained at, else 512. */
  imageSize?: number;
}

/** An opened network and head; disposing of it frees both. */
export interface Segmenter extends Disposable, AsyncDisposable {
  /** The network. */
  model: SegmentationModel;
  /** On the network's device. */
  head: SegmentationHead;
  /** Names and colours of the head's outputs. */
  classSet: ClassSet;
  /** That fits head and class set. */
  scoring: Scoring;
  /** Width and height of the network's input, pixels. */
  imageSize: number;
  /** Why results may be wrong although everything fits. */
  warnings: string[];
}

/**
 * Opens network and head and checks that they and the class set fit together.
 *
 * @throws DinoSegError HEAD_MISMATCH, CLASSES, and what loading throws.
 */
export async function openSegmenter(options: SegmenterOptions): Promise<Segmenter> {
  const model = await SegmentationModel.load(options.model, options);
  try {
    const head = options.head ? await openHead(options.head, { device: model.device }) : model.ownHead();
    head.assertFits(model);
    const classSet = await classSetOf(head, options.classes);
    const scoring = scoringOf(head, classSet, options.scoring);
    const imageSize = options.imageSize ?? head.metadata.imageSize ?? 512;
    const { modelId } = head.metadata;
    const warnings =
      modelId === undefined || modelId === model.id
        ? []
        : [
            `${options.head} was trained on another network file than ${options.model} ` +
              '(another precision, or another network): results may be wrong.',
          ];
    const dispose = () => {
      head.dispose();
      model.dispose();
    };
    const disposeAsync = async () => {
      await Promise.all([head[Symbol.asyncDispose](), model[Symbol.asyncDispose]()]);
    };
    return {
      ...{ model, head, classSet, scoring, imageSize, warnings },
      [Symbol.dispose]: dispose,
      [Symbol.asyncDispose]: disposeAsync,
    };
  } catch (error) {
    model.dispose();
    throw error;
  }
}
