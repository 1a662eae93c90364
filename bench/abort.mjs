/** How long abort() takes to stop a forward pass in its middle: 50 tries at moments spread over the pass. */
import { Tensor } from '../dist/index.js';
import { loadNetwork, setting, summary } from './network.mjs';

const tries = 50;
const { model } = await loadNetwork();
const images = Tensor.from(new Float32Array(3 * 256 * 256), [1, 3, 256, 256]);
const whole = [];
for (let i = 0; i < 6; i++) {
  const started = performance.now();
  (await model.decode(images)).dispose();
  whole.push(performance.now() - started);
}
const length = Math.min(...whole);
setting(`tiny network, 256 × 256, CPU; a whole pass takes ${length.toFixed(0)} ms`);

const times = [];
let finished = 0;
while (times.length < tries) {
  const controller = new AbortController();
  const call = model.forward(images, { signal: controller.signal });
  await new Promise((resolve) => setTimeout(resolve, (0.9 * length * (times.length + 0.5)) / tries));
  const aborted = performance.now();
  controller.abort();
  try {
    await call;
    finished++;
  } catch (error) {
    if (error !== controller.signal.reason) throw error;
    times.push(performance.now() - aborted);
  }
}
console.log(
  `abort() to rejection, ${tries} tries: ${summary(times)}; finished before the abort: ${finished}`,
);
if (process.env.DEBUG_TIMES) console.log(times.map((x) => x.toFixed(0)).join(' '));
process.exitCode = Math.max(...times) < 100 ? 0 : 1;
