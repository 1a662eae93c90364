/** A network and a data set small enough to train on in a second. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeDemoDataset } from '../../packages/street-scenes/lib/write-dataset.js';
import type { TrainConfig } from '../../lib/train/config.js';
import type { RunPosition } from '../../lib/train/run-position.js';
import { madeOnce } from './made-once.js';
import { writeFormulaModel } from './network.js';
import { readSafetensors, type Stored } from './safetensors.js';

/** Settings of a run over drawn scenes, ten to train on and two to evaluate; give `out` besides. */
export async function tinySettings(
  root: string,
  scenes: { train?: number; val?: number; width?: number; height?: number } = {},
): Promise<Partial<TrainConfig> & { model: string; data: string }> {
  const data = join(root, 'data');
  const drawn = { train: 10, val: 2, width: 96, height: 64, ...scenes };
  await madeOnce(`scenes ${JSON.stringify(drawn)}`, data, (aside) => writeDemoDataset(aside, drawn));
  return {
    model: await writeFormulaModel(root, 'seg-shallow'),
    data,
    epochs: 3,
    learningRate: 2e-3,
    imageSize: 64,
    accumulate: 2,
    mode: 'live',
    device: 'cpu',
    seed: 3,
  };
}

/** The same settings as flags of `dinov3-seg train`. */
export function asFlags(settings: Partial<TrainConfig>): string[] {
  const kebab = (key: string) => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  return Object.entries(settings).flatMap(([key, value]) => [
    key === 'learningRate' ? '--lr' : `--${kebab(key)}`,
    String(value),
  ]);
}

/** Lines of metrics.jsonl without what the clock says. */
export function readMetrics(run: string): Record<string, unknown>[] {
  const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8').trimEnd().split('\n');
  return lines.map((line) => {
    const { seconds, imagesPerSecond, ...rest } = JSON.parse(line) as Record<string, unknown>;
    if (typeof seconds !== 'number' || typeof imagesPerSecond !== 'number') throw new Error(line);
    return rest;
  });
}

export function readTensors(run: string, name: 'best' | 'last'): Record<string, Stored> {
  return readSafetensors(join(run, `${name}.safetensors`)).tensors;
}

/** The tensors as digests, for what is compared as a whole: an assertion on many numbers takes seconds. */
export function tensorDigests(run: string, name: 'best' | 'last'): Record<string, string> {
  const tensors = Object.entries(readTensors(run, name));
  return Object.fromEntries(
    tensors.map(([key, { data }]) => [key, createHash('sha256').update(data).digest('hex')]),
  );
}

/** Where the run's saved state stands; undefined before the first. */
export function readPosition(run: string): RunPosition | undefined {
  const path = join(run, 'last.safetensors');
  if (!existsSync(path)) return undefined;
  return JSON.parse(readSafetensors(path).metadata['run']!) as RunPosition;
}
