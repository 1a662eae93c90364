/** Compares two training runs. */
import type { Test } from 'tap';
import { close } from './close.js';
import { readMetrics, readTensors } from './tiny-run.js';

/** Whether two runs have the same metrics of every epoch and the same last head, within rounding. */
export function sameRuns(t: Test, run: string, other: string): void {
  const [actual, expected] = [readMetrics(run), readMetrics(other)];
  t.equal(actual.length, expected.length);
  const valuesOf = (lines: typeof actual, key: string) => lines.map((line) => line[key] as number);
  for (const key of ['trainLoss', 'valLoss', 'lr'])
    close(t, key, valuesOf(actual, key), valuesOf(expected, key), { rtol: 1e-5 });
  const [own, theirs] = [readTensors(run, 'last'), readTensors(other, 'last')];
  t.same(Object.keys(own), Object.keys(theirs));
  for (const [key, { data }] of Object.entries(theirs))
    close(t, key, own[key]!.data as Float32Array, data as Float32Array, { rtol: 1e-5 });
}
