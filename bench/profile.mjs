/**
 * The kernels of one pass of a network, for CUPTI (bench/profile.sh runs both):
 *   node bench/profile.mjs run [arch] [precision] [batch]     three passes
 *   node bench/profile.mjs table FILE                         the last pass: time and launches by kernel
 */
import { readFileSync } from 'node:fs';
import { SegmentationModel, Tensor } from '../dist/index.js';
import { engine } from '../dist/native/engine.js';

const [mode, ...rest] = process.argv.slice(2);

async function run(arch = 'dinov3_vit7b16_ade20k_m2f', precision = 'tf32', batch = '1') {
  const size = 512;
  const model = await SegmentationModel.init({
    arch,
    seed: 1,
    dtype: 'bfloat16',
    precision,
    device: 'cuda',
    cudaGraphs: false,
  });
  const shape = [Number(batch), 3, size, size];
  const images = Tensor.from(new Float32Array(shape.reduce((a, b) => a * b)).fill(0.1), shape);
  for (let pass = 0; pass < 3; pass++) {
    const decoded = await model.decode(images);
    const map = await model.ownHead().classMap(decoded, { width: size, height: size, scoring: 'ade20k' });
    decoded.dispose();
    map.dispose();
  }
  await engine().synchronize('cuda');
  process.exit(0);
}

function table(file) {
  const kernels = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => {
      const [, start, duration, name] = /^(\d+) (\d+) (.*)$/.exec(line);
      return { start: Number(start), us: Number(duration) / 1000, name };
    })
    .sort((a, b) => a.start - b.start);
  const last = kernels.slice(secondPassStart(kernels));
  const groups = new Map();
  for (const kernel of last) {
    const group = groups.get(kernel.name) ?? { us: 0, launches: 0 };
    group.us += kernel.us;
    group.launches++;
    groups.set(kernel.name, group);
  }
  const total = last.reduce((sum, kernel) => sum + kernel.us, 0);
  console.log(`${last.length} launches, ${(total / 1000).toFixed(2)} ms`);
  for (const [label, { us, launches }] of [...groups].sort((a, b) => b[1].us - a[1].us).slice(0, 60))
    console.log(
      `${(us / 1000).toFixed(3).padStart(8)} ms ${String(launches).padStart(5)}  ${label.slice(0, 150)}`,
    );
  console.log('in order, from the start of the pass:');
  for (const { name: label, us, start } of last) {
    const at = ((start - last[0].start) / 1e6).toFixed(3);
    console.log(`${at.padStart(8)} ms ${us.toFixed(1).padStart(8)} us  ${label.slice(0, 110)}`);
  }
}

/** Where the second of two equal runs of kernels at the end begins. */
function secondPassStart(kernels) {
  for (let length = kernels.length >> 1; length > 0; length--) {
    const second = kernels.length - length;
    let i = 0;
    while (i < length && kernels[second + i].name === kernels[second - length + i].name) i++;
    if (i === length) return second;
  }
  return 0;
}

await (mode === 'run' ? run(...rest) : table(...rest));
