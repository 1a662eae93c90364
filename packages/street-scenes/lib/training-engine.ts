/** Training of a whole network: what street_scenes.node exports. Legend and rules: lib/native/bindings/engine.ts of the product. */
import type { TensorHandle } from '../../../lib/native/bindings/engine.js';
import { loadedLibtorch, openAddon } from '../../../lib/native/engine.js';

declare const kind: unique symbol;

/** A network in training with its optimiser state and its scenes. */
export interface TrainingHandle {
  readonly [kind]: 'training';
}

/** What is trained, on what. */
export interface TrainingOptions {
  /** A name of cpp/models/presets.h: a segmentor's, or a detector's, whose head alone is trained. */
  architecture: string;
  /** A detector's backbone: its file. */
  backbone?: string;
  /** Whole number from 0, of the initial weights. */
  seed: number;
  device: string;
  /** Of what the network is shown; multiples of 32 for a segmentor, of 16 from 80 for a detector. */
  height: number;
  width: number;
  sceneHeight: number;
  sceneWidth: number;
  /** Scenes that there is to be room for on the device. */
  capacity: number;
}

/** Scenes as uint8: images N×h×w×3, labels N×h×w (a class, or 255: none), parts N×h×w. */
export interface LabelledScenes {
  images: TensorHandle;
  labels: TensorHandle;
  /** Pixels of one label and one part are a segment: a mask of its own, the label as its class. Both 255: not counted. */
  parts: TensorHandle;
}

/** Scenes with what is to be counted in them. M: boxes of all of them, scene after scene. */
export interface BoxedScenes {
  /** N×h×w×3 uint8. */
  images: TensorHandle;
  /** M×4 float32: x0, y0, x1, y1 in pixels of the scene. */
  boxes: TensorHandle;
  /** M int32. */
  classes: TensorHandle;
  /** N int32: boxes of each scene. */
  counts: TensorHandle;
}

/** Which scenes a step learns from, and what it sees of them. */
export interface TrainingBatch {
  /** B int32. */
  scenes: TensorHandle;
  /**
   * B×9 float32: left and width, top and height of what is seen, as shares of the scene (a negative width mirrors), then
   * factors of red, green and blue, of contrast and of saturation (1: as it is).
   */
  views: TensorHandle;
}

/** Of one step of AdamW (betas 0.9 and 0.999, epsilon 1e-8). */
export interface TrainingStepOptions {
  learningRate: number;
  /** Of linears' and convolutions' weights. */
  weightDecay: number;
  /** Of the global gradient, to clip to; 0: none. */
  maxNorm: number;
  /** What the averaged weights keep of themselves each step, 0…1; less in the first steps. */
  ema: number;
}

/** Means over steps. */
export type TrainingLosses = Record<'total' | 'classes' | 'gradientNorm', number> &
  /** A segmentor's: 2·classes + 5·mask + 5·dice, each a sum over the predictions of all layers. */
  Partial<Record<'mask' | 'dice', number>> &
  /** A detector's: sums over the decoder's layers; the total takes in proposals and the queries of training alone. */
  Partial<Record<'l1' | 'giou', number>>;

/** What masks are to become. S: segments. */
export interface SegmentTargets {
  /** B×S×hw: share of a cell's counted pixels that are the segment's. */
  shares: TensorHandle;
  /** B×hw: 1 where a cell has a counted pixel. */
  counted: TensorHandle;
  /** Of each image's segments; −1: none. */
  classes: number[][];
}

/** What is to be found. T: the most boxes of an image. */
export interface BoxTargets {
  /** B×T×4: centre x, centre y, width, height in pixels. */
  boxes: TensorHandle;
  /** Of each image's boxes. */
  classes: number[][];
}

/** Trains a whole network, or a detector's head. Its jobs run beside the engine's. */
export interface TrainingEngine {
  /** Threads an operator uses on the CPU, from the next job on; the engine's own number is another. */
  setThreads(threads: number): void;
  /** Frees a training's memory now; any later use of it is an error. Idempotent. */
  disposeTraining(training: TrainingHandle): void;

  /** INVALID_ARGUMENT, SHAPE, DEVICE; for a detector what reading a backbone throws, CHECKPOINT_KEYS. */
  createTraining(options: TrainingOptions): Promise<TrainingHandle>;
  trainingInfo(training: TrainingHandle): { parameters: number; steps: number; scenes: number };
  /** Of a segmentor: SHAPE, LABEL_VALUE, INVALID_ARGUMENT (no room). */
  trainingAdd(training: TrainingHandle, scenes: LabelledScenes): Promise<void>;
  /** Of a detector: SHAPE, LABEL_VALUE, INVALID_ARGUMENT (no room). */
  trainingAddBoxes(training: TrainingHandle, scenes: BoxedScenes): Promise<void>;
  /** Fulfilled when the device has its work, not when that is done. INVALID_ARGUMENT once outputs are not finite. */
  trainingStep(training: TrainingHandle, batch: TrainingBatch, options: TrainingStepOptions): Promise<void>;
  /** Of the steps since the last call. */
  trainingLosses(training: TrainingHandle): Promise<TrainingLosses>;
  /** Moves the batch norms' statistics a tenth of the way to this batch's, under the averaged weights. */
  trainingCalibrate(training: TrainingHandle, batch: TrainingBatch): Promise<void>;
  /** Averaged weights, stored statistics: logits B×L×Q×K and masks B×L×Q×h×w of all L predictions. */
  trainingPredictions(
    training: TrainingHandle,
    images: TensorHandle,
  ): Promise<{ logits: TensorHandle; masks: TensorHandle }>;
  /** Averaged weights: class logits B×L×Q×K and boxes B×L×Q×4 of all L decoder layers. */
  trainingDetections(
    training: TrainingHandle,
    images: TensorHandle,
  ): Promise<{ logits: TensorHandle; boxes: TensorHandle }>;
  /** Averaged weights and statistics as .safetensors that `convert` takes; `dtype`: of what has two dimensions or more. */
  trainingSave(
    training: TrainingHandle,
    options: {
      /** A segmentor's alone. */
      backbone?: string;
      head: string;
      dtype: 'float32' | 'bfloat16';
      metadata: Record<string, string>;
    },
  ): Promise<void>;
  /** What going on needs besides the scenes. */
  trainingSaveState(training: TrainingHandle, path: string): Promise<void>;
  /** CHECKPOINT_KEYS for another network's. */
  trainingRestoreState(training: TrainingHandle, path: string): Promise<void>;

  /** What a step would see, for tests. */
  trainingViews(
    training: TrainingHandle,
    batch: TrainingBatch,
    sizes: { height: number; width: number },
  ): Promise<SegmentTargets & { images: TensorHandle }>;
  /** Total, classes, mask and dice of class logits B×L×Q×K and mask logits B×L×Q×hw, and the total's gradients; for tests. */
  setLoss(
    predictions: SegmentTargets & { logits: TensorHandle; masks: TensorHandle },
  ): Promise<{ losses: Float64Array; dLogits: TensorHandle; dMasks: TensorHandle }>;
  trainingBoxViews(
    training: TrainingHandle,
    batch: TrainingBatch,
    sizes: { height: number; width: number },
  ): Promise<BoxTargets & { images: TensorHandle }>;
  /**
   * Total, classes, l1 and giou of class logits B×L×Q×K and boxes B×L×Q×4, and the total's gradients; for tests. `targets`
   * B×T×4 with their classes, in views of that size; `repeats`: queries that learn a box.
   */
  boxLoss(predictions: {
    logits: TensorHandle;
    boxes: TensorHandle;
    targets: TensorHandle;
    classes: number[][];
    height: number;
    width: number;
    repeats: number;
  }): Promise<{ losses: Float64Array; dLogits: TensorHandle; dBoxes: TensorHandle }>;
}

let loaded: TrainingEngine | undefined;

/** The addon, loaded on the first call (`node packages/street-scenes/scripts/build.mjs` builds it). @throws DinoSegError */
export function trainingEngine(): TrainingEngine {
  loaded ??= openAddon<TrainingEngine>(`street-scenes/torch-${loadedLibtorch().series}`);
  return loaded;
}
