/**
 * Speed, memory and bits of a network whose weights are streamed, for several caps on GPU memory, beside those of the same
 * network with all weights on the GPU. JSON; ends with what other GPUs would do by calculation.
 *   node bench/stream.mjs MODEL [--caps 6,8,12,16] [--seconds 8] [--device cuda:0] [--size 512] [--hold]
 * MODEL is a file as bench/seven-billion.mjs and `init` write it; it is made where it is not there (--arch, the 7B). With
 * --hold another process takes all of the GPU's memory but the cap meanwhile. Each setting has a process of its own.
 */
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { SegmentationModel, Tensor, initModel } from '../dist/index.js';
import { defaultPassSize } from '../dist/model/pass-size.js';
import { planWeights } from '../dist/model/weight-plan.js';
import { engine } from '../dist/native/engine.js';
import { round } from './figures.mjs';
import { toDevice } from './network.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    caps: { type: 'string', default: '6,8,12,16' },
    seconds: { type: 'string', default: '8' },
    device: { type: 'string', default: 'cuda:0' },
    size: { type: 'string', default: '512' },
    arch: { type: 'string', default: 'dinov3_vit7b16_ade20k_m2f' },
    hold: { type: 'boolean', default: false },
    // Of the processes that this one starts.
    child: { type: 'string' },
    settings: { type: 'string', default: '{}' },
  },
});
const [path] = positionals;
const { device, arch, child } = values;
const [seconds, size] = [Number(values.seconds), Number(values.size)];
const isCuda = device !== 'cpu';
const e = engine();

const freeBytes = () => e.devices().find(({ name }) => name === device).freeBytes;

/** Images on the device, the same in every process. */
async function imagesOf(count) {
  const data = Float32Array.from({ length: count * 3 * size * size }, (_, i) => Math.sin(i / 97) * 2);
  return Tensor.wrap(await toDevice(Tensor.from(data, [count, 3, size, size]).handle, device));
}

async function digestOf(decoded) {
  const hash = createHash('sha256');
  for (const tensor of [decoded.queries, decoded.masks]) hash.update(await tensor.floats());
  return hash.digest('hex');
}

/** Speed and digest of passes of so many images. */
async function measure(model, count) {
  const images = await imagesOf(count);
  const pass = async () => (await model.decode(images)).dispose();
  let digest;
  for (let warm = 0; warm < 4; warm++) {
    const decoded = await model.decode(images);
    const found = await digestOf(decoded);
    decoded.dispose();
    if (digest !== undefined && digest !== found) throw new Error('two passes differ');
    digest = found;
  }
  await e.synchronize(device);
  const retries = () => (isCuda ? e.memoryStats(device).retries : 0);
  const before = retries();
  let passes = 0;
  const started = performance.now();
  while (performance.now() - started < 1000 * seconds) {
    await pass();
    await e.synchronize(device);
    passes++;
  }
  const passSeconds = (performance.now() - started) / 1000 / passes;
  const retriesPerPass = (retries() - before) / passes;
  images.dispose();
  const speed = { imagesPerSecond: count / passSeconds, passSeconds, retriesPerPass };
  return { imagesPerPass: count, ...speed, sha256: digest };
}

/** A process's own memory as the driver counts it, where it tells. */
function driverBytes() {
  try {
    const query = ['--query-compute-apps=pid,used_memory', '--format=csv,noheader,nounits'];
    const lines = execFileSync('nvidia-smi', query, { encoding: 'utf8' }).trim().split('\n');
    const own = lines.map((line) => line.split(',').map(Number)).find(([pid]) => pid === process.pid);
    return own ? own[1] * 2 ** 20 : null;
  } catch {
    return null;
  }
}

const children = {
  /** A setting of loading, and passes of some sizes. */
  async run({ options, sizes, freeBefore }) {
    const started = performance.now();
    const model = await SegmentationModel.load(path, { device, ...options });
    const loadSeconds = (performance.now() - started) / 1000;
    const { streamedBlocks, streamedBytes, pinnedBytes } = e.modelInfo(model.handle);
    const room = () => e.memoryRoom(device).freeBytes;
    const chosen = defaultPassSize(model, { width: size, height: size }, room);
    const runs = [];
    for (const count of sizes ?? [chosen]) runs.push(await measure(model, count));
    const stats = isCuda ? e.memoryStats(device) : { peakAllocatedBytes: 0, peakReservedBytes: 0 };
    const { streaming } = model;
    return {
      ...{ loadSeconds, streaming, chosen, streamedBlocks, streamedBytes, pinnedBytes, runs },
      peakAllocatedBytes: stats.peakAllocatedBytes,
      peakReservedBytes: stats.peakReservedBytes,
      // Nothing else comes or goes meanwhile.
      processBytes: isCuda ? freeBefore - freeBytes() : 0,
      driverBytes: driverBytes(),
    };
  },

  /** Holds all of the GPU's memory but so many bytes until its input ends. */
  async hold({ leave }) {
    const held = [];
    for (let part = 2 ** 32; part >= 2 ** 24;) {
      if (freeBytes() - part < leave) part /= 2;
      else held.push(await e.callOperator('aten::zeros', [[part / 4], undefined, undefined, device]));
    }
    console.log(JSON.stringify({ freeBytes: freeBytes() }));
    for await (const _ of process.stdin);
    process.exit(held.length > 0 ? 0 : 1);
  },
};

/** Starts a process of this bench; resolves with what it says and its end. */
async function start(name, settings) {
  const args = [import.meta.filename, path, '--child', name, '--settings', JSON.stringify(settings)];
  const own = ['--device', device, '--size', `${size}`, '--seconds', `${seconds}`];
  const started = spawn(process.execPath, [...args, ...own], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: started.stdout })[Symbol.asyncIterator]();
  const { value } = await lines.next();
  if (value === undefined) throw new Error(`${name} failed with ${JSON.stringify(settings)}`);
  const end = async () => {
    started.stdin.end();
    if (started.exitCode === null) await once(started, 'exit');
  };
  return { said: JSON.parse(value), end };
}

async function runChild(options, sizes) {
  const freeBefore = isCuda ? freeBytes() : 0;
  const { said, end } = await start('run', { options, sizes, freeBefore });
  await end();
  return said;
}

const gigabytes = (bytes) => (bytes === null ? null : round(bytes / 1e9));

/** What a cap gives, beside the resident network's best speed. */
function line(found, resident) {
  const [run] = found.runs;
  const same = resident.runs.find(({ imagesPerPass }) => imagesPerPass === run.imagesPerPass);
  const best = Math.max(...resident.runs.map(({ imagesPerSecond }) => imagesPerSecond));
  return {
    streaming: found.streaming ?? null,
    imagesPerPass: run.imagesPerPass,
    imagesPerSecond: round(run.imagesPerSecond),
    shareOfResident: round(run.imagesPerSecond / best),
    shareOfResidentAtThisSize: round(run.imagesPerSecond / same.imagesPerSecond),
    sameBits: run.sha256 === same.sha256,
    copyGBPerSecond: round(found.streamedBytes / run.passSeconds / 1e9),
    pinnedGB: gigabytes(found.pinnedBytes),
    retriesPerPass: round(run.retriesPerPass),
    peakReservedGB: gigabytes(found.peakReservedBytes),
    processGB: gigabytes(found.processBytes),
    driverGB: gigabytes(found.driverBytes),
    loadSeconds: round(found.loadSeconds),
  };
}

/**
 * GPUs by their makers' sheets: memory, dense bfloat16 products with float32 sums, and what a link of their lanes copies in
 * practice.
 */
const others = {
  'RTX 3060 12 GB': { bytes: 12e9, teraflops: 25.5, copyGBPerSecond: 25 },
  'RTX 4060 8 GB': { bytes: 8e9, teraflops: 30.2, copyGBPerSecond: 12.5 },
  'RTX 4090 24 GB': { bytes: 24e9, teraflops: 165, copyGBPerSecond: 25 },
  'A100 40 GB, PCIe 4': { bytes: 40e9, teraflops: 312, copyGBPerSecond: 25 },
};
const measuredTeraflops = 989; // H100 and H200

/** By the measured time of an image, in proportion to the products; copies and products at the same time. */
function calculation(sizes, secondsPerImage) {
  const table = {};
  for (const [name, { bytes, teraflops, copyGBPerSecond }] of Object.entries(others)) {
    const { contextBytes } = e.memoryRoom(device);
    const room = { totalBytes: bytes, freeBytes: 0.9 * bytes - contextBytes, contextBytes };
    const input = { sizes, room, weights: 'auto', capped: false, onCpu: false, use: {} };
    const plan = planWeights(input);
    const images = plan?.passSize ?? 8;
    const streamed = plan ? (sizes.blocks - plan.residentBlocks) * sizes.blockBytes : 0;
    const copied = plan ? sizes.decoderBytes + streamed : 0;
    const computing = (images * secondsPerImage * measuredTeraflops) / teraflops;
    const copying = copied / (copyGBPerSecond * 1e9);
    table[name] = {
      streamedBlocks: plan ? sizes.blocks - plan.residentBlocks : 0,
      imagesPerPass: images,
      secondsOfComputing: round(computing),
      secondsOfCopying: round(copying),
      imagesPerSecond: round(images / Math.max(computing, copying)),
      shareOfResident: round(computing / Math.max(computing, copying)),
    };
  }
  return table;
}

if (child !== undefined) {
  console.log(JSON.stringify(await children[child](JSON.parse(values.settings))));
  process.exit(0);
}
if (!existsSync(path)) await initModel({ arch, seed: 1, dtype: 'bfloat16', device, out: path });
// What this process itself takes of the GPU is taken before anything is measured.
if (isCuda) freeBytes();
const report = { bench: 'stream', device, libtorch: e.info().torch, kernels: e.info().cudaKernels };
const sizes = await e.networkSizes(path, 'stored', 'reference');
report.network = { ...sizes, blocksGB: gigabytes(sizes.blocksBytes), otherGB: gigabytes(sizes.otherBytes) };

const found = {};
for (const cap of isCuda ? values.caps.split(',') : ['none']) {
  const bytes = Number(cap) * 1e9;
  const holder = values.hold && isCuda ? await start('hold', { leave: bytes }) : undefined;
  found[cap] = await runChild(isCuda ? { gpuMemory: `${cap}GB` } : { weights: 'stream' });
  await holder?.end();
  console.error(cap, JSON.stringify({ ...found[cap], left: gigabytes(holder?.said.freeBytes ?? null) }));
}
const counts = [...Object.values(found).map(({ chosen }) => chosen), isCuda ? 8 : 1];
const resident = await runChild(
  { weights: 'resident' },
  [...new Set(counts)].sort((a, b) => a - b),
);
console.error('resident', JSON.stringify(resident));
// One image a pass and all blocks streamed: nothing but copies.
const copies = await runChild({ weights: 'stream' }, [1]);
report.copyGBPerSecond = round(copies.streamedBytes / copies.runs[0].passSeconds / 1e9);
report.resident = {
  peakReservedGB: gigabytes(resident.peakReservedBytes),
  processGB: gigabytes(resident.processBytes),
  loadSeconds: round(resident.loadSeconds),
  imagesPerSecond: Object.fromEntries(
    resident.runs.map((run) => [run.imagesPerPass, round(run.imagesPerSecond)]),
  ),
};
report.caps = Object.fromEntries(Object.entries(found).map(([cap, of]) => [cap, line(of, resident)]));
const fastest = Math.max(...resident.runs.map(({ imagesPerSecond }) => imagesPerSecond));
report.calculation = {
  note: 'not measured: the time of an image here, in proportion to the products of the sheets; copies run meanwhile',
  ...calculation(sizes, 1 / fastest),
};
console.log(JSON.stringify(report, null, 2));
process.exit(Object.values(report.caps).every(({ sameBits }) => sameBits) ? 0 : 1);
