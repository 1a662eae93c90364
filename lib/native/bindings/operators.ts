/** The operators of libtorch's dispatcher, for tests and benches; rules in engine.ts. */
import type { TensorHandle } from './handles.js';

/** What an operator takes: dtypes and devices by their names; null or undefined for what is optional. */
export type Operand = TensorHandle | number | boolean | string | readonly Operand[] | null | undefined;

/** The engine's function on operators. */
export interface OperatorEngine {
  /**
   * Calls an operator, `aten::narrow` say. Ours are `dinov3_seg::…` (cpp/ops/library.cpp); `dinov3_seg_reference::…` has the same by
   * libtorch's own operators, and those of cpp/bindings/test_operators.cpp. Gives its result, undefined for a tensor that there is none of; of several results an array.
   *
   * @param operands in the order of the operator's schema; those with a default may be undefined.
   * @param repeat how often it is run; default 1.
   */
  callOperator(
    name: string,
    operands: readonly Operand[],
    repeat?: number,
  ): Promise<TensorHandle | number | boolean | undefined | (TensorHandle | undefined)[]>;
}
