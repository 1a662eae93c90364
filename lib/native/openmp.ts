/** What libtorch's OpenMP is told when it is loaded. */
import { availableParallelism } from 'node:os';
import { usableCores } from './cores.js';

/** Environment variables for the time of loading, and what is wrong with those that the user set. */
export interface OpenMpSettings {
  /** Taken where the variable is not set. */
  defaults: Record<string, string>;
  /** Variables whose value OpenMP would refuse, with what is said about each. */
  refused: Record<string, string>;
}

const validValues: Record<string, RegExp> = {
  OMP_NUM_THREADS: /^\s*[1-9]\d*(\s*,\s*[1-9]\d*)*\s*$/,
  OMP_WAIT_POLICY: /^\s*(active|passive)\s*$/i,
};

/**
 * Threads that wait sleep instead of spinning, so that other work on the machine goes on (bench/wait-policy.mjs), and an
 * operator has as many threads as the control group's quota has processors.
 */
export function openMpSettings(
  environment: Record<string, string | undefined> = process.env,
  cores = usableCores(),
  processors = availableParallelism(),
): OpenMpSettings {
  const refused = Object.entries(validValues).flatMap(([name, valid]) => {
    const value = environment[name];
    if (value === undefined || valid.test(value)) return [];
    return [[name, `${name}=${value} is not a value that OpenMP takes; the default is used.`] as const];
  });
  return {
    defaults: {
      OMP_WAIT_POLICY: 'PASSIVE',
      ...(cores < processors && { OMP_NUM_THREADS: String(cores) }),
    },
    refused: Object.fromEntries(refused),
  };
}
