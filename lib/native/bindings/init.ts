/** Networks with random weights; legend and rules in engine.ts. */
import type { DetectorPlacement, DetectorPlan } from './detector.js';
import type { DetectorHandle, JobHandle, ModelHandle } from './handles.js';
import type { BackbonePlan, NetworkPrecision, SegmentorPlan } from './model.js';

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
  ): Promise<SegmentorPlan | DetectorPlan | BackbonePlan>;
  /** What a named network is made of, for tests. `classes`: outputs of a segmentor's trained head. Default: its own. */
  planArchitecture(architecture: string, classes?: number): SegmentorPlan | DetectorPlan | BackbonePlan;
}
