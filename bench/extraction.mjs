/**
 * Tables of many images, by the `features` command: a segmentor, a fine-tuned head and a detector of one backbone, random weights.
 *   node bench/extraction.mjs [IMAGES] [KILLS] [DEVICE] [ARCH] [DETECTOR]
 * Default: 10000, 20, cpu, tiny, tiny-detector. On two cores the first part takes a quarter of an hour.
 *
 * 1. IMAGES small generated images, 36 features each by the tiny networks, made by a process that is killed (SIGKILL) KILLS times at
 *    random moments and gone on with: the bytes must be those of a run that was never killed. Memory of that run, ten times.
 * 2. The share of time that the networks ARCH and DETECTOR wait for images to be decoded, with two and with eight decoding threads:
 *    JPEGs of 1920×1080, 26 percentages and 36 features.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clearInterval, setInterval } from 'node:timers';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { encodePng } from '../dist/data/decode.js';
import { loadClassSet } from '../dist/data/class-sets.js';
import { drawScene } from '../packages/street-scenes/index.mjs';
import { ClassHead, SegmentationModel, initModel } from '../dist/index.js';
import { setting } from './network.mjs';

const [count = '10000', killCount = '20', device = 'cpu', arch = 'tiny', detectorArch = 'tiny-detector'] =
  process.argv.slice(2);
const images = Number(count);
const kills = Number(killCount);
const command = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const root = mkdtempSync(join(tmpdir(), 'dinov3-seg-bench-'));
process.once('exit', () => rmSync(root, { recursive: true, force: true }));
const at = (name) => join(root, name);
const dtype = device.startsWith('cuda') ? 'bfloat16' : 'float32';

/** Networks and a head in files, as flags of `features`. */
async function writeNetworks(name, segmentorArch, detectorArch) {
  const [model, detector, head] = ['segmentor.pt', 'detector.pt', 'head.safetensors'].map((file) =>
    at(`${name}-${file}`),
  );
  const made = { seed: 1, dtype, device };
  await initModel({ ...made, arch: segmentorArch, out: model });
  await initModel({ ...made, arch: detectorArch, out: detector });
  const network = await SegmentationModel.load(model);
  const classes = await loadClassSet('idd26');
  await ClassHead.create({ hidden: network.hidden, classes, seed: 1 }).save(head);
  network.dispose();
  return { segmentor: ['--model', model, '--head', head], detector: ['--detector', detector] };
}

/** Resident memory of a process, MiB; null once it has ended. */
function residentMebibytes(pid) {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
  } catch {
    return null;
  }
}

/** Runs `features`; with `killAfter`, kills it so many milliseconds after its start. */
function features(flags, { killAfter } = {}) {
  const child = spawn(process.execPath, [command, 'features', ...flags, '--device', device, '--json'], {
    env: { ...process.env, UV_THREADPOOL_SIZE: '10' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const started = performance.now();
  const [output, error, memory] = [[], [], []];
  child.stdout.on('data', (bytes) => output.push(bytes));
  child.stderr.on('data', (bytes) => error.push(bytes));
  const sampling = setInterval(() => memory.push(residentMebibytes(child.pid)), 250);
  const timer = killAfter === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), killAfter);
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      clearInterval(sampling);
      const [stdout, stderr] = [output, error].map((parts) => Buffer.concat(parts).toString());
      if (code !== 0 && signal !== 'SIGKILL') throw new Error(stderr);
      const milliseconds = performance.now() - started;
      resolve({ signal, milliseconds, memory, summary: stdout ? JSON.parse(stdout) : undefined });
    });
  });
}

async function writeSmall(folder, count) {
  mkdirSync(folder, { recursive: true });
  for (let i = 0; i < count; i++) {
    const [width, height] = [24 + (i % 17), 20 + (i % 13)];
    const data = Uint8Array.from({ length: width * height * 3 }, (_, k) => ((k + 1) * (i + 3) * 7919) >> 5);
    writeFileSync(join(folder, `${String(i).padStart(6, '0')}.png`), await encodePng(data, width, height, 3));
  }
}

async function writePhotographs(folder, count) {
  mkdirSync(folder, { recursive: true });
  const [width, height] = [1920, 1080];
  for (let i = 0; i < count; i++) {
    const file = join(folder, `${String(i).padStart(4, '0')}.jpg`);
    if (i >= 8) {
      writeFileSync(file, readFileSync(join(folder, `000${i % 8}.jpg`)));
      continue;
    }
    const { image } = await drawScene({ seed: 1, index: i, width, height });
    const raw = sharp(image.data, { raw: { width, height, channels: 3 } });
    await raw.jpeg({ quality: 92 }).toFile(file);
  }
}

/**
 * The range of moments, of a process that takes `startup` to begin and of `work` in all, at which random kills leave
 * something to do for the last: so many of them get four fifths of it done.
 */
function killRange(startup, work) {
  const each = (1.6 * work) / kills;
  return startup + (each + Math.sqrt(each * (each + 4 * startup))) / 2;
}

async function killed(networks) {
  const folder = at('small');
  await writeSmall(folder, images);
  const sizes = ['--image-size', '64', '--detector-size', '96'];
  const flags = (name) => [
    ...networks.segmentor,
    ...networks.detector,
    ...sizes,
    '--output',
    at(name),
    folder,
  ];
  const whole = await features(flags('whole.csv'));
  const { imagesPerSecond } = whole.summary;
  console.log(
    `never killed: ${(whole.milliseconds / 1000).toFixed(1)} s, ${imagesPerSecond.toFixed(0)} images/s`,
  );
  const memory = whole.memory.filter((value) => value !== null);
  const tenths = Array.from({ length: 10 }, (_, i) => memory[Math.ceil(((i + 1) * memory.length) / 10) - 1]);
  console.log(`memory, ten times, MiB: ${tenths.map((value) => value.toFixed(0)).join(' ')}`);
  // A finished table is only looked at: what is left is the start.
  const { milliseconds: startup } = await features(flags('whole.csv'));
  const range = killRange(startup, whole.milliseconds - startup);
  let hits = 0;
  for (let i = 0; i < kills; i++)
    if ((await features(flags('killed.csv'), { killAfter: Math.random() * range })).signal === 'SIGKILL')
      hits++;
  const { summary } = await features(flags('killed.csv'));
  const same = ['.csv', '_csv_files/failures.tsv'].every((end) =>
    readFileSync(at(`killed${end}`)).equals(readFileSync(at(`whole${end}`))),
  );
  console.log(
    `killed ${hits} times, ${summary.extracted} images left for the last run, ${summary.rows} rows: ` +
      (same ? 'the same, byte for byte' : 'DIFFERENT'),
  );
  if (!same) process.exitCode = 1;
}

async function waiting({ segmentor, detector }) {
  const folder = at('photographs');
  await writePhotographs(folder, device === 'cpu' ? 24 : 160);
  for (const [name, networks] of [
    ['26 percentages', segmentor],
    ['36 features', [...segmentor, ...detector]],
  ])
    for (const threads of ['2', '8']) {
      const output = at(`${name}-${threads}.csv`);
      const { summary } = await features([...networks, '--threads', threads, '--output', output, folder]);
      console.log(
        `${name}, ${threads} decoding threads: ${summary.imagesPerSecond.toFixed(1)} images/s, ` +
          `${(100 * summary.waitingShare).toFixed(1)} % of the time waiting for images`,
      );
    }
}

setting(`${images} images, ${kills} kills, ${device}, ${arch}, ${detectorArch}`);
const tiny = await writeNetworks('tiny', 'tiny', 'tiny-detector');
if (images > 0) await killed(tiny);
await waiting(arch === 'tiny' ? tiny : await writeNetworks('large', arch, detectorArch));
process.exit();
