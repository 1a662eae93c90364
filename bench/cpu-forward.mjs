/**
 * A network's forward pass on the CPU beside the same TorchScript file in plain PyTorch: milliseconds, pass by pass in turns. JSON.
 *   PYTHON=python3 node bench/cpu-forward.mjs [arch,…] [size] [rounds] [dtype,…] [precision]
 * From a normalised image to class and mask logits; random weights. PYTHON needs torch, of this libtorch's version. Both have as many
 * threads, which wait without spinning: on a busy machine, PyTorch's default takes many times as long. The first three rounds warm up:
 * PyTorch's executor optimises in the first two. On a busy machine look at the processor time and at what was least. error: relative,
 * of our mask logits to PyTorch's. Default: dinov3_vits16_m2f,dinov3_vitl16_m2f, 256, 9 rounds, float32,bfloat16, the default precision.
 */
import { spawn } from 'node:child_process';
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { SegmentationModel, Tensor, initModel } from '../dist/index.js';
import { engine } from '../dist/native/engine.js';
import { relative } from './accuracy.mjs';
import { median, round } from './figures.mjs';

const [
  archs = 'dinov3_vits16_m2f,dinov3_vitl16_m2f',
  side = '256',
  rounds = '9',
  dtypes = 'float32,bfloat16',
  precision = 'float16',
] = process.argv.slice(2);
const size = Number(side);
const warmUp = 3;
const folder = mkdtempSync(join(tmpdir(), 'dinov3-seg-bench-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const at = (name) => join(folder, name);
const pixels = Float32Array.from({ length: 3 * size * size }, () => 4 * Math.random() - 2);
writeFileSync(at('images.bin'), pixels);

/** A file of zeros for floats that another process writes. */
function writeZeros(path, floats) {
  const file = openSync(path, 'w');
  ftruncateSync(file, 4 * floats);
  closeSync(file);
}

async function measure(arch, dtype) {
  const path = at('network.pt');
  await initModel({ arch, seed: 1, dtype, out: path });
  const model = await SegmentationModel.load(path, { device: 'cpu', precision });
  const images = Tensor.from(pixels, [1, 3, size, size]);
  const own = await model.forward(images);
  const masks = await own.predMasks.floats();
  writeZeros(at('masks.bin'), masks.length);
  const script = new URL('torchscript-forward.py', import.meta.url).pathname;
  const child = spawn(
    process.env.PYTHON ?? 'python3',
    [script, path, at('images.bin'), side, at('masks.bin')],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, OMP_WAIT_POLICY: 'PASSIVE' },
    },
  );
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const line = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error('PyTorch gave no answer');
    return value;
  };
  const [torch, threads] = (await line()).split(' ');
  const times = { own: [], torch: [] }; // [elapsed, processor time] of each pass
  for (let i = 0; i < warmUp + Number(rounds); i++) {
    const [started, used] = [performance.now(), process.cpuUsage()];
    const outputs = await model.forward(images);
    const { user, system } = process.cpuUsage(used);
    times.own.push([performance.now() - started, (user + system) / 1000]);
    Object.values(outputs).forEach((each) => each.dispose());
    child.stdin.write('run\n');
    times.torch.push((await line()).split(' ').map(Number));
  }
  child.stdin.end();
  const theirs = new Float32Array(new Uint8Array(readFileSync(at('masks.bin'))).buffer);
  await model[Symbol.asyncDispose]();
  const least = (values) => Math.min(...values);
  const figures = (part, of) => {
    const [own, theirs] = Object.values(times).map((all) => of(all.slice(warmUp).map((pass) => pass[part])));
    return { own: round(own), torch: round(theirs), ratio: round(own / theirs) };
  };
  return {
    ...{ arch, dtype, torch, threads: Number(threads) },
    milliseconds: { median: figures(0, median), least: figures(0, least) },
    processorMilliseconds: { median: figures(1, median), least: figures(1, least) },
    error: round(relative(masks, theirs)),
  };
}

const { torch: libtorch, threads } = engine().info();
const report = {
  bench: 'cpu-forward',
  processor: cpus()[0].model,
  libtorch,
  threads,
  size,
  precision,
  rows: [],
};
for (const arch of archs.split(','))
  for (const dtype of dtypes.split(',')) {
    report.rows.push(await measure(arch, dtype));
    console.error(JSON.stringify(report.rows.at(-1)));
  }
console.log(JSON.stringify(report, null, 2));
process.exit(0);
