/** Recorded training runs of the reference on a network of formula weights (test/fixtures/formula). */
import type { DecodedImages } from '../../lib/model/decoded-images.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { formulaOutputs, formulaTensor } from './formula.js';
import { writeFormulaModel } from './network.js';
import type { Stored } from './safetensors.js';

export const recordedClasses = 26;
export const recordedHidden = 64;

/** What was recorded, and what it was trained on. */
export interface Recorded {
  golden: Record<string, Stored>;
  decoded: DecodedImages[];
  labels: Tensor[];
  init: { weight: Float32Array; bias: Float32Array };
}

/** Settings of the recorded runs, by name. */
export const recordedRuns = {
  recipe: { learningRate: 1e-4, weightDecay: 1e-4, accumulate: 1 },
  fast: { learningRate: 2e-3, weightDecay: 1e-4, accumulate: 1 },
  accumulate: { learningRate: 2e-3, weightDecay: 1e-2, accumulate: 3 },
};

/** Items along the first dimension, each with a first dimension of 1. */
export function split({ data, shape }: Stored): { data: Stored['data']; shape: number[] }[] {
  const length = data.length / shape[0]!;
  return Array.from({ length: shape[0]! }, (_, i) => ({
    data: data.slice(i * length, (i + 1) * length),
    shape: [1, ...shape.slice(1)],
  }));
}

/** The runs on the network of formula weights, which is written to a folder. */
export async function formulaRecorded(folder: string): Promise<Recorded> {
  const golden = formulaOutputs('train');
  using model = await SegmentationModel.load(await writeFormulaModel(folder));
  const decoded: DecodedImages[] = [];
  for (const i of [0, 1, 2]) {
    const { data, shape } = formulaTensor(`image.${i}`, [1, 3, 64, 96]);
    using image = Tensor.from(data, shape);
    decoded.push(await model.decode(image));
  }
  const labels = split(golden['labels']!).map(({ data, shape }) => Tensor.from(data, shape));
  const weight = formulaTensor('init.weight', [recordedClasses, recordedHidden]).data;
  return { golden, decoded, labels, init: { weight, bias: new Float32Array(recordedClasses) } };
}
