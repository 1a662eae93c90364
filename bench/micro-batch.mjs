/** Whether one forward pass of four images is quicker than four of one: what micro-batching could win. */
import { Tensor } from '../dist/index.js';
import { loadNetwork, setting } from './network.mjs';

const { model } = await loadNetwork();
setting('decode on the CPU, tiny network, median of 9 rounds');
console.log('size   4 × one image   one batch of 4   won');
for (const size of [128, 256, 512]) {
  const ones = Array.from({ length: 4 }, () =>
    Tensor.from(new Float32Array(3 * size * size), [1, 3, size, size]),
  );
  const four = Tensor.from(new Float32Array(12 * size * size), [4, 3, size, size]);
  const apart = [];
  const together = [];
  for (let round = 0; round < 10; round++) {
    let started = performance.now();
    const results = await Promise.all(ones.map((image) => model.decode(image)));
    if (round > 0) apart.push(performance.now() - started);
    for (const result of results) result.dispose();
    started = performance.now();
    (await model.decode(four)).dispose();
    if (round > 0) together.push(performance.now() - started);
  }
  const median = (values) => values.sort((a, b) => a - b)[4];
  const [a, b] = [median(apart), median(together)];
  const row = [
    a.toFixed(1).padStart(13),
    b.toFixed(1).padStart(16),
    `${(100 * (1 - b / a)).toFixed(0)} %`.padStart(5),
  ];
  console.log(`${String(size).padEnd(4)} ${row.join(' ')}`);
}
