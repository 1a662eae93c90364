/** Heads on a CUDA device against those on the CPU; skips where none answers. */
import t from 'tap';
import { engine } from '../../lib/native/engine.js';
import { close } from '../helpers/close.js';
import { accumulate, floats, normals, randomBatch, stepOptions } from '../helpers/heads.js';
import { randomFeatures } from '../helpers/probe-loss.js';
import { createRandom } from '../helpers/random-values.js';

const e = engine();
const skip = e.info().cudaAvailable ? false : 'no CUDA device answers';
const sizes = { batch: 3, queries: 20, hidden: 32, classes: 7, h: 16, w: 24, height: 64, width: 96 };
const { hidden, classes } = sizes;

async function trained(kind: 'class_embed' | 'mask2former', device: string) {
  const random = createRandom(5);
  const outputs = kind === 'mask2former' ? classes + 1 : classes;
  const heads = e.createHeads({
    kind,
    width: hidden,
    classes,
    device,
    precision: 'float32',
    losses: ['cross-entropy', 'nll'],
    classWeights: e.tensor(
      Float32Array.from({ length: 2 * classes }, () => random() * 3),
      [2, classes],
    ),
    weight: e.tensor(normals(random, 2 * outputs * hidden, 0.3), [2, outputs, hidden]),
    bias: e.tensor(normals(random, 2 * outputs, 0.3), [2, outputs]),
  });
  const include = e.tensor(Float32Array.from([1, 1, 1, 0, 1, 1]), [3, 2]);
  const [losses, norms]: [number[], number[]] = [[], []];
  for (let step = 1; step <= 10; step++) {
    const { handles } = randomBatch(sizes, { seed: step, ...(step === 4 && { blank: [0] }) });
    losses.push(...(await accumulate(heads, handles, 1, include)));
    const options = [stepOptions, { ...stepOptions, learningRate: 1e-2 }];
    norms.push(...(await e.headsStep(heads, options, [step, step], [true, true])));
  }
  const evaluation = await e.headsEvaluate(heads, randomBatch(sizes, { seed: 99 }).handles);
  return { losses, norms, value: await floats((await e.headsState(heads)).value), evaluation };
}

for (const kind of ['class_embed', 'mask2former'] as const)
  t.test(`${kind} heads learn and count on CUDA what they do on the CPU`, { skip }, async (t) => {
    const [cpu, cuda] = [await trained(kind, 'cpu'), await trained(kind, 'cuda')];
    close(t, 'losses', cuda.losses, cpu.losses, { rtol: 1e-5 });
    close(t, 'norms', cuda.norms, cpu.norms, { rtol: 1e-4 });
    close(t, 'weights', cuda.value, cpu.value, { rtol: 1e-4 });
    close(t, 'evaluated losses', cuda.evaluation.losses, cpu.evaluation.losses, { rtol: 1e-4 });
    close(t, 'confusion', cuda.evaluation.confusion, cpu.evaluation.confusion, { rtol: 1e-3 });
  });

async function trainedProbes(device: string) {
  const probes = { batch: 3, channels: 40, classes, h: 8, w: 12, height: 64, width: 96 };
  const heads = e.createHeads({ kind: 'linear_probe', width: 40, classes, device, seeds: [1, 2] });
  const include = e.tensor(Float32Array.from([1, 1, 1, 0, 1, 1]), [3, 2]);
  const [losses, norms]: [number[], number[]] = [[], []];
  for (let step = 1; step <= 10; step++) {
    const { handles } = randomFeatures(probes, { seed: step, offset: 3, ...(step === 4 && { blank: [0] }) });
    losses.push(...(await accumulate(heads, handles, 1, include)));
    const options = [stepOptions, { ...stepOptions, learningRate: 1e-2 }];
    norms.push(...(await e.headsStep(heads, options, [step, step], [true, true])));
  }
  const evaluation = await e.headsEvaluate(heads, randomFeatures(probes, { seed: 99, offset: 3 }).handles);
  const { value, runningMean, runningVar } = await e.headsState(heads);
  const running = [...(await floats(runningMean!)), ...(await floats(runningVar!))];
  return { losses, norms, value: await floats(value), running, evaluation };
}

t.test('linear probes learn and count on CUDA what they do on the CPU', { skip }, async (t) => {
  const [cpu, cuda] = [await trainedProbes('cpu'), await trainedProbes('cuda')];
  close(t, 'losses', cuda.losses, cpu.losses, { rtol: 1e-5 });
  close(t, 'norms', cuda.norms, cpu.norms, { rtol: 1e-4 });
  // Adam divides small gradients by their own size: rounding of theirs shows in weights near zero.
  close(t, 'weights', cuda.value, cpu.value, { rtol: 1e-3 });
  close(t, 'running statistics', cuda.running, cpu.running, { rtol: 1e-6 });
  close(t, 'evaluated losses', cuda.evaluation.losses, cpu.evaluation.losses, { rtol: 1e-4 });
  close(t, 'confusion', cuda.evaluation.confusion, cpu.evaluation.confusion, { rtol: 1e-2 });
});
