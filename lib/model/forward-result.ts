/** What a forward pass gives. */
import type { Tensor } from './tensor.js';

/** Result of a forward pass of a SegmentationModel: float32, on the model's device. The caller disposes of the tensors. */
export interface ForwardResult {
  /** B×Q×C, the input of class_embed. */
  queries: Tensor;
  /** Class logits B×Q×K. */
  predLogits: Tensor;
  /** Mask logits B×Q×h×w, h = H/4, w = W/4. */
  predMasks: Tensor;
}
