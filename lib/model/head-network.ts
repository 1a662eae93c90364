/** What heads need of the network that they score for. */
import { kind } from '../arguments.js';
import { isObject } from '../json.js';
import type { DType, ModelHandle, OutputPart } from '../native/bindings/engine.js';

/** Marks a {@link SegmentationModel}, which heads cannot import: it imports them. @internal */
export const networkMark = Symbol('SegmentationModel');

/** A {@link SegmentationModel}, as heads see it. */
export interface HeadNetwork {
  /** @internal */
  readonly [networkMark]: true;
  /** {@link SegmentationModel.path} */
  readonly path: string;
  /** {@link SegmentationModel.id} */
  readonly id: string;
  /** {@link SegmentationModel.device} */
  readonly device: string;
  /** Devices of the model that it is, or is a replica of: a head may be on any of them. @internal */
  readonly headDevices: readonly string[];
  /** Number of the replica on its device, from 0. @internal */
  readonly replica: number;
  /** {@link SegmentationModel.dtype} */
  readonly dtype: DType;
  /** {@link SegmentationModel.hidden} */
  readonly hidden: number;
  /** {@link SegmentationModel.classes} */
  readonly classes: number;
  /** {@link SegmentationModel.provides} */
  readonly provides: readonly OutputPart[];
  /** The engine's own handle. @throws DinoSegError DISPOSED @internal */
  readonly handle: ModelHandle;
}

export const networkKind = kind<HeadNetwork>(
  'a SegmentationModel',
  (value) => isObject(value) && networkMark in value,
);
