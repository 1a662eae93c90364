/** Conversion of checkpoints, as the engine has it; legend and rules in engine.ts. */
import type { DetectorPlan } from './detector.js';
import type { JobHandle } from './handles.js';
import type { Normalization } from './images.js';
import type { BackbonePlan, SegmentorPlan } from './model.js';
import type { DType } from './tensor.js';

/** One tensor of a checkpoint file. */
export interface CheckpointEntry {
  /** Key in the checkpoint. */
  name: string;
  /** Shape, outermost dimension first; empty for a scalar. */
  shape: number[];
  /** Data type, as stored. */
  dtype: DType;
  /** Size of the values in bytes. */
  sizeBytes: number;
}

/** Contents of a checkpoint file. */
export interface Inspection {
  /** File format. */
  format: 'pth' | 'safetensors' | 'torchscript';
  /** Tensors in the file's order. */
  tensors: CheckpointEntry[];
  /** Number of elements of all tensors together. */
  parameters: number;
  /** Size of all values together in bytes. */
  totalBytes: number;
  /** Metadata of a safetensors header; empty for other files. */
  metadata: Record<string, string>;
  /** Mean and standard deviation of a network's images, as recorded in a TorchScript file; absent: LVD's. */
  normalization?: Normalization;
}

/** What config.json beside the weights says and the weights do not. */
export interface SourceConfig {
  /** Base of the rotary position embedding's periods. */
  ropeTheta?: number;
  attentionHeads?: number;
}

/** The files of one checkpoint. */
export interface CheckpointSource {
  /** As given, for messages. */
  path: string;
  files: string[];
  /** Key to name of its file, where an index file lists them. */
  index?: Record<string, string>;
  config?: SourceConfig;
}

export interface ConvertSettings {
  backbone: CheckpointSource;
  head?: CheckpointSource;
  out: string;
  dtype: 'float32' | 'bfloat16';
  task: 'segmentation' | 'detection';
  /** Recorded in the file. */
  normalization: Normalization;
}

/** What `convert` learned about the files. */
export interface ConversionNotes {
  /** Lines for people: the layout of the keys, wrappers that were taken off, and what was derived. */
  notes: string[];
}

/** Structure of a converted network that segments: with Mask2Former's head, or an EoMT network. */
export interface ConvertedSegmentor extends SegmentorPlan, ConversionNotes {
  /** Kind of the network. */
  network: 'segmentor' | 'eomt';
}

/** Structure of a converted detector. */
export interface ConvertedDetector extends DetectorPlan, ConversionNotes {
  /** Kind of the network. */
  network: 'detector';
}

/** Structure of a converted backbone alone. */
export interface ConvertedBackbone extends BackbonePlan, ConversionNotes {}

/** Structure of a converted network, and notes about its checkpoints. */
export type ConvertedPlan = ConvertedSegmentor | ConvertedDetector | ConvertedBackbone;

/** The backbone that was found in a checkpoint. */
export interface RecognisedBackbone {
  /** Whose names its keys have: `Meta`, `Hugging Face transformers` or `timm`. */
  layout: string;
  /** What stands before its keys in the file, such as `teacher.backbone.`. */
  prefix: string;
  /** Width, depth, attention heads and so on. */
  dims: Record<string, number | string | boolean>;
}

/** The engine's functions for conversion. */
export interface ConvertEngine {
  /** The contents of all files together, and the backbone in them, if its keys have a known layout. */
  inspectSource(
    source: CheckpointSource,
    job?: JobHandle,
  ): Promise<{ summary: Inspection; backbone?: RecognisedBackbone }>;
  /** Writes a network's file from its checkpoints. */
  convertNetwork(settings: ConvertSettings, job?: JobHandle): Promise<ConvertedPlan>;
}
