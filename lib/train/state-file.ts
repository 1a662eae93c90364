/** States of heads that are trained side by side, in one file from which training goes on. */
import { DinoSegError } from '../errors.js';
import { readFloats, writeFloats, type ShapedFloats } from '../model/float-file.js';
import { engine } from '../native/engine.js';
import type { GroupState } from './head-group.js';

const format = 'dinov3-seg training state';

/**
 * Writes the states of some groups (safetensors): temporary file, synced, renamed.
 *
 * @param run where the run stands, as JSON.
 * @throws DinoSegError DISK_FULL, IO.
 */
export async function writeStates(path: string, states: readonly GroupState[], run: string): Promise<void> {
  const arrays: Record<string, ShapedFloats> = {};
  for (const [i, { arrays: own, steps }] of states.entries())
    for (const [name, data] of Object.entries(own))
      arrays[`${i}.${name}`] = { data, shape: [steps.length, data.length / steps.length] };
  await writeFloats(path, arrays, { format, run, steps: JSON.stringify(states.map(({ steps }) => steps)) });
}

/** Reads what {@link writeStates} wrote. @throws DinoSegError RUN for other files, CHECKPOINT_*, IO */
export async function readStates(path: string): Promise<{ states: GroupState[]; run: string }> {
  const { tensors, metadata } = await engine().inspect(path);
  const { run, steps } = metadata;
  if (metadata['format'] !== format || run === undefined || steps === undefined)
    throw new DinoSegError(
      'RUN',
      `${path} holds no training state of this kind of run; it is no file to resume from.`,
    );
  const names = tensors.map(({ name }) => name);
  const floats = await readFloats(path, names);
  const states = (JSON.parse(steps) as number[][]).map((own): GroupState => ({ arrays: {}, steps: own }));
  for (const name of names) {
    const [group, key] = name.split('.') as [string, keyof GroupState['arrays']];
    states[Number(group)]!.arrays[key] = floats[name]!;
  }
  return { states, run };
}
