/** Loads a segmentation network's file onto its devices. */
import { engine } from '../native/engine.js';
import { runJob } from '../native/job.js';
import type { ModelHandle, NetworkPrecision } from '../native/bindings/engine.js';
import { resolveDevices } from './device.js';
import { codeLimits, waysToRun, type LoadOptions } from './load-options.js';
import { checkPrecision } from './network-precision.js';
import { describedRefusal } from './not-a-network.js';
import type { WeightPlan } from './pass-size.js';
import { replicaPlaces, withCopies } from './replicas.js';
import { planOfFile, type NetworkUse } from './weight-plan.js';

/** A network on its devices. */
export interface LoadedNetwork {
  /** One for each device; the first was read from the file, the others are copies of it. */
  handles: readonly [ModelHandle, ...ModelHandle[]];
  precision: NetworkPrecision;
  /** How it runs where its weights are streamed. */
  weightPlan?: WeightPlan | undefined;
}

/** @throws DinoSegError as SegmentationModel.load */
export async function loadNetwork(
  path: string,
  options: LoadOptions,
  use: NetworkUse,
): Promise<LoadedNetwork> {
  const { device, dtype = 'stored' } = options;
  const devices = resolveDevices(device);
  checkPrecision(options.precision, devices);
  const described = async (error: unknown): Promise<never> => {
    throw await describedRefusal(path, error);
  };
  const weightPlan = await planOfFile(path, options, devices, use).catch(described);
  const [first, ...others] = replicaPlaces(devices);
  const placement = {
    ...{ device: first!.device, dtype, ...waysToRun(options), ...codeLimits(options) },
    ...(weightPlan && { residentBlocks: weightPlan.residentBlocks }),
  };
  const handle = await runJob(options, (job) => engine().loadModel(path, placement, job)).catch(described);
  const handles = await withCopies(handle, others, (place) =>
    runJob(options, (job) => engine().copyModel(handle, place, job)),
  );
  return { handles, precision: placement.precision, weightPlan };
}
