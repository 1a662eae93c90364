/**
 * Claim: several devices make tables and caches so many times faster as there are devices, with the bytes of one; and a job that
 * was killed goes on with another number of devices to the same bytes.
 *
 *     node bench/devices.mjs [--device cuda] [--count 480] [--only 26,36,cache,kill] [--folder F]
 *         [--model F --head F --detector F | --arch A --detector-arch A] [--images DIR]
 *
 * 26 percentages and 36 features (a third of the images) by openFeatureExtractor and extractTable, then the pass that fills a cache,
 * on 1, 2, 4, … and all CUDA devices in one run; on the CPU one and two lanes, which shows the bytes only. Images a second are those
 * between the first passes and the last ones. `main thread`: the share of the time in which JavaScript was busy. Without --model the
 * networks are random ones of --arch, without --images the images are drawn (JPEGs of 1920×1080); both stay in --folder for another
 * run. UV_THREADPOOL_SIZE: how many images are decoded at a time.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import {
  ClassHead,
  SegmentationModel,
  extractTable,
  imagesOfPaths,
  initModel,
  makeCache,
  openFeatureExtractor,
} from '../dist/index.js';
import { loadClassSet } from '../dist/data/class-sets.js';
import { resolveDevices } from '../dist/model/device.js';
import { usableCores } from '../dist/native/cores.js';
import { setting } from './network.mjs';
import { writeScenes } from './photographs.mjs';

const text = { type: 'string' };
const { values: given } = parseArgs({
  options: {
    ...{ device: text, count: text, only: text, folder: text, images: text, 'pass-size': text },
    ...{ model: text, head: text, detector: text, arch: text, 'detector-arch': text },
  },
});
const { device = 'cpu', only = '26,36,cache,kill' } = given;
const isCuda = device.startsWith('cuda');
const parts = only.split(',');
const folder = given.folder ?? mkdtempSync(join(tmpdir(), 'dinov3-seg-bench-'));
mkdirSync(folder, { recursive: true });
if (!given.folder) process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const at = (name) => join(folder, name);
const count = Number(given.count ?? (isCuda ? 480 : 48));
const passSize = Number(given['pass-size'] ?? (isCuda ? 8 : 2));
const all = isCuda ? resolveDevices(device) : ['cpu', 'cpu'];
const sizes = [...new Set([1, 2, 4, 8].filter((size) => size < all.length)), all.length];
const threads = Math.min(Number(process.env.UV_THREADPOOL_SIZE ?? 4), usableCores());
const small = isCuda ? {} : { imageSize: 64, detectorSize: 96 };

async function writeNetworks() {
  const made = isCuda ? { seed: 1, dtype: 'bfloat16', device: all[0] } : { seed: 1 };
  const { arch = isCuda ? 'dinov3_vit7b16_ade20k_m2f' : 'tiny' } = given;
  const { 'detector-arch': detectorArch = isCuda ? 'dinov3_vit7b16_coco_detr' : 'tiny-detector' } = given;
  const paths = {
    model: given.model ?? at('segmentor.pt'),
    detector: given.detector ?? at('detector.pt'),
    head: given.head ?? at('head.safetensors'),
  };
  if (!existsSync(paths.model)) await initModel({ ...made, arch, out: paths.model });
  if (!existsSync(paths.detector) && parts.includes('36'))
    await initModel({ ...made, arch: detectorArch, out: paths.detector });
  if (!existsSync(paths.head)) {
    const network = await SegmentationModel.load(paths.model, { device: all[0] });
    const classes = await loadClassSet('idd26');
    await ClassHead.create({ hidden: network.hidden, classes, seed: 1 }).save(paths.head);
    await network[Symbol.asyncDispose]();
  }
  return paths;
}

const digest = (...paths) => {
  const hash = createHash('sha256');
  for (const path of paths) hash.update(readFileSync(path));
  return hash.digest('hex').slice(0, 12);
};
const filesOf = (cache) =>
  readdirSync(cache)
    .filter((name) => name !== 'lock')
    .sort()
    .map((name) => join(cache, name));

/** Notes how far a job is; gives its rate without the first and the last passes of each of the devices. */
function stopwatch(devices) {
  const seen = [];
  const used = performance.eventLoopUtilization();
  return {
    onProgress: (done, total) => seen.push({ done, total, now: performance.now() }),
    get result() {
      const left = 2 * passSize * devices;
      const total = seen.at(-1).total;
      const first = seen.find(({ done }) => done >= Math.min(left, total / 4));
      const last = seen.findLast(({ done }) => done <= Math.max(total - left, (3 * total) / 4));
      const rate = (1000 * (last.done - first.done)) / (last.now - first.now);
      return { rate, busy: performance.eventLoopUtilization(used).utilization };
    },
  };
}

/** Runs a job on more and more devices; prints a line each, and compares what it wrote. */
async function compared(name, run) {
  let one;
  for (const size of sizes) {
    const found = await run(all.slice(0, size), stopwatch(size), `${name}-${size}`);
    one ??= found;
    const isSame = found.digest === one.digest;
    console.log(
      `${name}, ${size} ${size > 1 ? 'devices' : 'device'}: ${found.rate.toFixed(2)} images/s, ` +
        `×${(found.rate / one.rate).toFixed(3)}, ${found.waiting}main thread ${(100 * found.busy).toFixed(0)} %, ` +
        `${found.digest} ${isSame ? 'the same bytes' : 'DIFFERENT'}`,
    );
    if (!isSame) process.exitCode = 1;
  }
  return one.digest;
}

function tables(networks, images) {
  return async (devices, watch, name) => {
    const extractor = await openFeatureExtractor({ ...networks, device: devices, passSize });
    const output = at(`${name}.csv`);
    const { onProgress } = watch;
    const { waitingShare } = await extractTable(extractor, images, { output, threads, onProgress });
    await extractor[Symbol.asyncDispose]();
    const waiting = `waiting for images ${(100 * waitingShare).toFixed(1)} %, `;
    return { ...watch.result, waiting, digest: digest(output) };
  };
}

const cacheSettings = (devices) => ({
  ...{ model: networks.model, data: at('data'), device: devices.join(','), passSize, flip: 0 },
  ...(isCuda ? {} : { imageSize: 64 }),
});

async function cache(devices, watch, name) {
  const onProgress = ({ phase, done, total }) => phase === 'cache' && watch.onProgress(done, total);
  await makeCache({ ...cacheSettings(devices), cache: at(name), out: at('unused') }, { onProgress });
  return { ...watch.result, waiting: '', digest: digest(...filesOf(at(name))) };
}

/** Runs the command; with `journal`, kills it as soon as that file has so many lines. */
async function command(args, { journal, lines } = {}) {
  const entry = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
  const child = spawn(process.execPath, [entry, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (chunk) => (stderr += chunk));
  const ended = new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal })));
  let isOver = false;
  ended.then(() => (isOver = true));
  const linesOf = () => (existsSync(journal) ? readFileSync(journal, 'latin1').split('\n').length - 1 : 0);
  if (journal) {
    while (!isOver && linesOf() < lines) await sleep(20);
    child.kill('SIGKILL');
  }
  const { code, signal } = await ended;
  if (code !== 0 && signal !== 'SIGKILL') throw new Error(stderr);
  return journal ? linesOf() : undefined;
}

/** Killed on all devices, gone on with on fewer; and the other way round. */
async function killed(name, args, journalOf, lines, digestOf, expected) {
  const few = all.slice(0, Math.ceil(all.length / 2));
  for (const [first, second] of [
    [all, few],
    [few, all],
  ]) {
    const output = at(`${name}-killed-${first.length}`);
    const run = (devices, kill) => command([...args(output), '--device', devices.join(',')], kill);
    const left = await run(first, { journal: journalOf(output), lines });
    await run(second);
    const isSame = digestOf(output) === expected;
    console.log(
      `${name} killed with ${first.length}, ${left} lines in its journal, gone on with ${second.length}: ` +
        (isSame ? 'the same bytes' : 'DIFFERENT'),
    );
    if (!isSame) process.exitCode = 1;
  }
}

setting(`${all.join(', ')}; ${count} images, passes of ${passSize}, ${threads} decoding threads`);
const networks = await writeNetworks();
if (!existsSync(at('data'))) {
  await writeScenes(at('data'), 'train', count, 0);
  await writeScenes(at('data'), 'val', 1, 100);
}
const images = await imagesOfPaths([given.images ?? at('data/leftImg8bit/train')]);
const firstOf = (most) => ({ ...images, entries: images.entries.slice(0, most) });
const { model, head, detector } = networks;
const { imageSize, detectorSize } = small;
const size26 = imageSize ? { imageSize } : {};
const of26 = { model, head, ...size26 };
const digests = {};
if (parts.includes('26')) digests.table = await compared('26 features', tables(of26, firstOf(count)));
if (parts.includes('36')) {
  const of36 = { ...of26, detector, ...(detectorSize ? { detectorSize } : {}) };
  await compared('36 features', tables(of36, firstOf(Math.ceil(count / 3))));
}
if (parts.includes('cache')) digests.cache = await compared('cache', cache);
if (parts.includes('kill')) {
  const passes = Math.ceil(count / passSize);
  const flags = [
    '--model',
    model,
    '--pass-size',
    `${passSize}`,
    ...(imageSize ? ['--image-size', `${imageSize}`] : []),
  ];
  const paths = firstOf(count).entries.map(({ path }) => path);
  if (digests.table)
    await killed(
      'table',
      (output) => ['features', ...flags, '--head', head, '--output', `${output}.csv`, ...paths],
      (output) => `${output}_csv_files/resume/journal.jsonl`,
      Math.ceil(passes / 3),
      (output) => digest(`${output}.csv`),
      digests.table,
    );
  if (digests.cache)
    await killed(
      'cache',
      (output) => ['cache', 'make', output, ...flags, '--data', at('data'), '--flip', '0'],
      (output) => join(output, 'index.jsonl'),
      Math.ceil(count / 3),
      (output) => digest(...filesOf(output)),
      digests.cache,
    );
}
process.exit();
