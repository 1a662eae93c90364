/** Detectors made for a test. */
import { join } from 'node:path';
import { convert } from '../../lib/model/convert.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import type { DetectorHandle, TensorHandle } from '../../lib/native/bindings/engine.js';
import { writeFormulaCheckpoints } from './network.js';
import type { Stored } from './safetensors.js';

export type Checkpoints = Record<'backbone' | 'head', string>;

/** A detector of these files with other tensors in its head. */
async function detectorWith(
  folder: string,
  { backbone, head }: Checkpoints,
  change: (tensors: Record<string, TensorHandle>) => Promise<Record<string, TensorHandle>>,
): Promise<string> {
  const { tensors } = await engine().readTensors(head);
  const changed = join(folder, 'changed.safetensors');
  await engine().writeSafetensors(changed, { ...tensors, ...(await change(tensors)) }, {});
  const out = join(folder, 'detector.pt');
  await convert({ backbone, head: changed, out, task: 'detection' });
  return out;
}

/**
 * With a few queries. The best of all proposals are far apart in their scores: of dozens some change places at the least rounding,
 * and so does what comes of them.
 */
export const withQueries = (folder: string, checkpoints: Checkpoints, queries: number) =>
  detectorWith(folder, checkpoints, async (tensors) => ({
    'query_embed.weight': engine().slice(tensors['query_embed.weight']!, { first: 0, count: 2 * queries }),
  }));

/** With formula weights and a weight of the head multiplied, so that the largest has this magnitude. */
export const scaledDetector = async (folder: string, key: string, largest: number) =>
  detectorWith(folder, await writeFormulaCheckpoints(folder, 'det'), async (tensors) => {
    const { data, shape } = await engine().tensorData(tensors[key]!);
    const values = Float32Array.from(data as Float32Array);
    const factor = largest / values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    return {
      [key]: Tensor.from(
        values.map((value) => value * factor),
        shape,
      ).handle,
    };
  });

/** What a detector predicts of images. */
export async function predictionsOf(detector: DetectorHandle, { data, shape }: Stored) {
  using images = Tensor.from(data, shape);
  const { predLogits, predBoxes } = await engine().detectorForward(detector, images.handle);
  return { logits: await Tensor.wrap(predLogits).floats(), boxes: await Tensor.wrap(predBoxes).floats() };
}
