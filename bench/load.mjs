/**
 * Time and memory of loading a network, as JSON.
 *   node bench/load.mjs [device] [architecture] [float32|bfloat16] [folder]
 * Default: cpu, dinov3_vits16_m2f, bfloat16 (1.5 GB). `staged` is the way that GPUs are loaded, which can be tried on the CPU as
 * well; `plain` is torch::jit::load, what the CPU takes. Reading the file's bytes in blocks of 16 MiB stands beside. Files are in the
 * page cache where it holds them. Peak device memory: what is free less than before, right after loading.
 */
import { closeSync, mkdtempSync, openSync, readSync, rmSync, statSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { SegmentationModel, initModel } from '../dist/index.js';
import { engine } from '../dist/native/engine.js';
import { watchMemory } from './anonymous-memory.mjs';

const [device = 'cpu', arch = 'dinov3_vits16_m2f', dtype = 'bfloat16', place = tmpdir()] =
  process.argv.slice(2);
const folder = mkdtempSync(join(place, 'dinov3-seg-bench-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const path = join(folder, 'network.pt');
await initModel({ arch, dtype, device: 'cpu', out: path });
const { size } = statSync(path);
const name = device === 'cuda' ? 'cuda:0' : device;
const described = engine()
  .devices()
  .find((found) => found.name === name);
const freeNow = () =>
  engine()
    .devices()
    .find((found) => found.name === name).freeBytes;

function readAll() {
  const file = openSync(path, 'r');
  const block = Buffer.alloc(16 << 20);
  while (readSync(file, block) > 0);
  closeSync(file);
}

// Whatever a device sets up for itself when it is first used.
if (name !== 'cpu') (await SegmentationModel.init({ arch: 'tiny', device: name })).dispose();
const read = await watchMemory(async () => readAll());

async function measure(load) {
  const free = freeNow();
  let handle;
  const { seconds, before, peak } = await watchMemory(async () => (handle = await load()));
  const deviceBytes = name === 'cpu' ? null : free - freeNow();
  engine().dispose(handle);
  return {
    seconds,
    gigabytesPerSecond: size / 1e9 / seconds,
    peakHostBytes: peak - before,
    deviceBytes,
    ratioToRead: seconds / read.seconds,
  };
}

const staged = await measure(() => engine().loadStaged(path, name));
const plain =
  name === 'cpu' && (await measure(() => engine().loadModel(path, { device: name, dtype: 'stored' })));
console.log(
  JSON.stringify(
    {
      arch,
      dtype,
      device: name === 'cpu' ? `cpu (${cpus().length} × ${cpus()[0].model})` : described,
      versions: { node: process.version, libtorch: engine().info().torch },
      fileBytes: size,
      readSeconds: read.seconds,
      staged,
      ...(plain && { plain }),
    },
    null,
    2,
  ),
);
