/**
 * The operators of training on cached outputs, libtorch's own against the fused kernels, at the 7B's size.
 *   node bench/score-loss.mjs [cpu|cuda] [threads]
 */
import { engine } from '../dist/native/engine.js';
import { milliseconds, operator, operatorTable } from './operators.mjs';

const [device = 'cpu', threads] = process.argv.slice(2);
const e = engine();
const { row, place } = operatorTable('score_loss, score_counts and adamw_step', { device, threads });

const [crossEntropy, nll] = [0, 1]; // ScoreLoss of cpp/ops/score_ops.h
const [classes, grid, size, parameters] = [26, 128, 512, 53_274];

/** Labels as in photographs: areas of 40 pixels and more, a twentieth ignored. */
function makeLabels(batch) {
  return Uint8Array.from({ length: batch * size * size }, (_, i) => {
    const [x, y] = [i % size, Math.floor(i / size)];
    if (Math.floor(y / 25) % 20 === 7) return 255;
    return (Math.floor(x / 40) * 7 + Math.floor(y / 60) * 5 + Math.floor(i / size ** 2)) % classes;
  });
}

function makeScores(length) {
  const values = new Float32Array(length);
  for (let i = 0; i < length; i++) values[i] = ((i * 2654435761) % 4096) / 1024;
  return values;
}

const fused = {};
for (const [batch, heads] of [
  [1, 1],
  [1, 4],
  [1, 16],
  [16, 1],
]) {
  const length = batch * heads * classes * grid * grid;
  const scores = await place(makeScores(length), [batch, heads, classes, grid, grid]);
  const labels = await place(makeLabels(batch), [batch, size, size]);
  const title = (name) => `${name} B=${batch} N=${heads}`;
  const loss =
    (loss, gradient, of = labels) =>
    async (options) => {
      const losses = new Array(heads).fill(loss);
      const operands = [scores, of, undefined, losses, gradient];
      const [sums, slope] = await operator('score_loss', operands, options);
      if (slope) e.dispose(slope);
      return sums;
    };
  const read = 4 * length + batch * size * size;
  fused[title('')] = await row(title('cross entropy, gradient'), read + 4 * length, loss(crossEntropy, true));
  await row(title('cross entropy'), read, loss(crossEntropy, false));
  await row(title('nll, gradient'), read + 4 * length, loss(nll, true));
  await row(title('counts'), read, (options) => operator('score_counts', [scores, labels], options));
  e.dispose(labels);
  if (batch === 1 && heads === 1) {
    // The kernel for CUDA looks at a cell's labels once where they are equal.
    const noise = await place(
      makeLabels(1).map((_, i) => (i * 2654435761) % classes),
      [1, size, size],
    );
    await row('the first, every pixel of another class', read + 4 * length, loss(crossEntropy, true, noise));
  }
  e.dispose(scores);
}
for (const heads of [1, 16]) {
  const zeros = () => place(new Float32Array(heads * parameters), [heads, parameters]);
  const tensors = [await zeros(), await zeros(), await zeros(), await zeros()];
  const one = [1 - 1e-8, 1e-4, 0.03, 1, 1];
  const coefficients = await place(
    Float32Array.from({ length: 5 * heads }, (_, i) => one[i % 5]),
    [heads, 5],
  );
  await row(`AdamW step N=${heads}`, 8 * 4 * heads * parameters, (options) =>
    operator('adamw_step', [...tensors, coefficients, 0.9, 0.999, 1e-8], options),
  );
}
const [one, sixteenHeads, sixteenImages] = ['B=1 N=1', 'B=1 N=16', 'B=16 N=1'].map(
  (name) => fused[` ${name}`],
);
console.log(
  `# fused cross entropy with gradient: 16 heads take ${(sixteenHeads / one).toFixed(1)} times one; ` +
    `${milliseconds(sixteenImages / 16)} an image of 16`,
);
