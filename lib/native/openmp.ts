/** Settings for libtorch's OpenMP at load time. */
import { availableParallelism } from 'node:os';
import { usableCores } from './cores.js';

/** Environment variables to set while loading, and what is wrong with those that the user set. */
export interface OpenMpSettings {
  /** Used if the variable is not set. */
  defaults: Record<string, string>;
  /** Variables with a value that OpenMP would refuse, each with a message. */
  refused: Record<string, string>;
}

const validValues: Record<string, RegExp> = {
  OMP_NUM_THREADS: /^\s*[1-9]\d*(\s*,\s*[1-9]\d*)*\s*$/,
  OMP_WAIT_POLICY: /^\s*(active|passive)\s*$/i,
};

/**
 * Waiting threads sleep instead of spinning, so that other work on the machine continues (bench/wait-policy.mjs).
 * An operator has as many threads as the control group's CPU quota has processors.
 */
export function openMpSettings(
  environment: Record<string, string | undefined> = process.env,
  cores = usableCores(),
  processors = availableParallelism(),
): OpenMpSettings {
  const refused = Object.entries(validValues).flatMap(([name, valid]) => {
    const value = environment[name];
    if (value === undefined || valid.test(value)) return [];
    return [[name, `${name}=${value} is not a valid value for OpenMP; the default is used.`] as const];
  });
  return {
    defaults: {
      OMP_WAIT_POLICY: 'PASSIVE',
      ...(cores < processors && { OMP_NUM_THREADS: String(cores) }),
    },
    refused: Object.fromEntries(refused),
  };
}
