/** Networks with random weights; legend and rules in engine.ts. */
import type { DetectorPlacement, DetectorPlan } from './detector.js';
import type { DetectorHandle, JobHandle, ModelHandle, TensorHandle } from './handles.js';
import type { NetworkPrecision, SegmentorPlan } from './model.js';

/** Which network, and what its weights are drawn from. */
export interface RandomNetwork {
  /** A name of cpp/models/presets.h. */
  architecture: string;
  /** Whole number from 0: the same seed gives the same bits on every device. */
  seed: number;
  dtype: 'float32' | 'bfloat16';
  /** Where the weights are drawn. */
  device: string;
}

/** The engine's functions for networks with random weights. */
export interface InitEngine {
  /** The network on the device, without a file. */
  initModel(
    options: RandomNetwork & { precision: NetworkPrecision; cudaGraphs: boolean },
    job?: JobHandle,
  ): Promise<ModelHandle>;
  /** A detector. BACKBONE_MISMATCH where the backbone that it is to share is of another shape or dtype. */
  initDetector(options: RandomNetwork & DetectorPlacement, job?: JobHandle): Promise<DetectorHandle>;
  /** The network as a TorchScript file. */
  writeRandomModel(
    options: RandomNetwork,
    path: string,
    job?: JobHandle,
  ): Promise<SegmentorPlan | DetectorPlan>;
  /** What a named segmentor is made of. `classes`: outputs of the trained head. */
  planArchitecture(architecture: string, classes: number): SegmentorPlan;
  /** What a named detector is made of. */
  planDetectorArchitecture(architecture: string): DetectorPlan;
  /** Weights of one key of the checkpoint, for tests. `operators`: drawn as on a GPU, on any device. */
  randomTensor(options: RandomNetwork & { operators: boolean }, key: string): Promise<TensorHandle>;
  /** Writes random checkpoints of a named architecture: backbone and head as .safetensors. */
  initCheckpoint(options: {
    architecture: string;
    seed: number;
    backbone: string;
    head: string;
  }): Promise<void>;
}
