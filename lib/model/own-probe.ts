/** The linear probe that a network file contains. */
import { engine } from '../native/engine.js';
import type { ModelHandle, ModelInfo, ProbeTensors } from '../native/bindings/engine.js';
import { LinearProbe } from './linear-probe.js';
import { Tensor } from './tensor.js';

/** Reads the linear probe inside a network as a head on the network's device; undefined without one. */
export async function ownProbe(handle: ModelHandle, info: ModelInfo): Promise<LinearProbe | undefined> {
  const tensors = await engine().ownProbe(handle);
  if (tensors === undefined) return undefined;
  const read: [string, Float32Array][] = [];
  for (const [name, tensor] of Object.entries(tensors))
    read.push([name, (await Tensor.wrap(tensor).take()) as Float32Array]);
  const values = Object.fromEntries(read) as Record<keyof ProbeTensors, Float32Array>;
  const width = values.gamma.length;
  const shape = { classes: values.bias.length, width, layers: width === info.width ? 1 : 4 } as const;
  const { device, id: modelId } = info;
  return LinearProbe.from({ ...shape, ...values }, { device, metadata: { modelId } });
}
