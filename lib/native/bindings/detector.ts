/** Detectors, as the engine has them; legend and rules in engine.ts. */
import type { DetectorHandle, JobHandle, ModelHandle, TensorHandle, WatchHandle } from './handles.js';
import type { CopiedImage, Normalization, RawImage } from './images.js';
import type { Float16Use, NetworkPlacement, ReplicaPlace, ShapeTable, StreamInfo } from './model.js';
import type { DType } from './tensor.js';

/** Structure of the detector that two checkpoints describe. */
export interface DetectorPlan {
  /** Dimensions: backbone width, depth and heads, hidden width of the head, queries, classes and so on. */
  dims: Record<string, number | string | boolean>;
  /** Number of backbone keys that are used, each counted once. Checkpoints with other keys are refused. */
  backboneKeys: number;
  /** Number of keys of the head file that are used, each counted once. */
  headKeys: number;
  /** Number of further keys of the head file that repeat the values of other keys, which are used instead. */
  repeatedKeys: number;
  /** Number of weights. */
  parameters: number;
}

export interface DetectorInfo extends StreamInfo {
  path: string;
  /** SHA-256 over names, sizes and checksums of the archive's records. */
  id: string;
  device: string;
  /** Number of the network on its device, from 0. */
  replica: number;
  /** Dtype of most weights. */
  dtype: DType;
  /** As recorded in the file; LVD's where there is no record. */
  normalization: Normalization;
  /** Width of the backbone's tokens. `width`, `queries` and `classes` are 0 if the file does not state them. */
  width: number;
  /** Number of boxes per image. */
  queries: number;
  classes: number;
  parameters: number;
  /** Bytes of weights shared with a segmentor. */
  sharedBytes: number;
  /** Undefined where nothing computes in float16. */
  float16: Float16Use | undefined;
}

/** An image's detections, best first: N, N and N×4 (x0, y0, x1, y1 in pixels of the image). */
export interface FoundArrays {
  scores: Float32Array;
  labels: Int32Array;
  boxes: Float32Array;
}

/** Where and how a detector runs, and the segmentor whose backbone it shares. */
export interface DetectorPlacement extends NetworkPlacement {
  shareWith?: ModelHandle;
}

/** Input size of the network in pixels, and the maximum number of detections. */
export interface BestSettings {
  width: number;
  height: number;
  top: number;
}

export interface DetectSettings extends BestSettings {
  /** Minimum score. */
  threshold: number;
}

/** The engine's functions for detectors. K classes, N detections. */
export interface DetectorEngine {
  /** Checks the key lists of a detector and says what it is made of. */
  planDetector(backbone: ShapeTable, head: ShapeTable): DetectorPlan;
  /** MODEL_FORMAT for a segmentor, BACKBONE_MISMATCH if the backbone to share is not the file's. */
  loadDetector(path: string, options: DetectorPlacement, job?: JobHandle): Promise<DetectorHandle>;
  /** As copyModel. `segmentor`: none, or the one whose backbone it shares and that one's copy in the same place. */
  copyDetector(
    detector: DetectorHandle,
    place: ReplicaPlace,
    segmentor: readonly ModelHandle[],
    job?: JobHandle,
  ): Promise<DetectorHandle>;
  detectorInfo(detector: DetectorHandle): DetectorInfo;
  /**
   * Class logits B×Q×K and boxes B×Q×4 (centre x, centre y, width, height in pixels) of images B×3×H×W (float32, normalised,
   * H and W multiples of 16 from 80). SHAPE also for images with fewer places for boxes than there are queries.
   */
  detectorForward(
    detector: DetectorHandle,
    images: TensorHandle,
    job?: JobHandle,
  ): Promise<{ predLogits: TensorHandle; predBoxes: TensorHandle; watch: WatchHandle }>;
  /** The backbone's tapped layers of the whole image and of its windows, B×8C×H/16×W/16. */
  detectorFeatures(detector: DetectorHandle, images: TensorHandle, job?: JobHandle): Promise<TensorHandle>;
  /** Best first: scores B×N, labels B×N (int64), boxes B×N×4 (x0, y0, x1, y1) within the images' pixels. */
  bestDetections(
    predLogits: TensorHandle,
    predBoxes: TensorHandle,
    options: BestSettings,
  ): Promise<{ scores: TensorHandle; labels: TensorHandle; boxes: TensorHandle }>;
  /** The same of images seen at width × height in one pass, boxes in their own pixels. */
  detect(
    detector: DetectorHandle,
    images: readonly (RawImage | CopiedImage)[],
    options: DetectSettings,
    job?: JobHandle,
  ): Promise<FoundArrays[]>;
  /** For tests: float16 on the CPU too. */
  useDetectorFloat16(detector: DetectorHandle): Promise<void>;
  /** As partTimes: `backbone`, `encoder`, `proposals`, `decoder`. */
  detectorPartTimes(
    detector: DetectorHandle,
    images: TensorHandle,
    options: { repeat: number },
  ): Promise<Record<string, number>>;
}
