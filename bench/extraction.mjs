/**
 * Tables of many images: `node bench/extraction.mjs [IMAGES] [KILLS]` (10000, 20).
 *
 * 1. IMAGES small generated images, made into a table of simple statistics by a process that is killed (SIGKILL) KILLS times at random
 *    moments and gone on with: the bytes must be those of a run that was never killed. Memory of that run at its tenths.
 * 2. The share of time that a network waits for images to be decoded, with two and with eight decoding threads: a random network of
 *    1.1 million parameters at 128×128, one after the other in passes of four, on JPEGs of 800×600.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodeImage, encodePng } from '../dist/data/decode.js';
import sharp from 'sharp';
import { extractTable } from '../dist/features/extract-table.js';
import { imagesOfPaths } from '../dist/features/inputs.js';
import { pixelExtractor } from '../test/helpers/pixel-extractor.mjs';
import { SegmentationModel, classPercentages, loadClassSet } from '../dist/index.js';
import { setting, writeNetwork } from './network.mjs';

const self = fileURLToPath(import.meta.url);

/** Percentages of the network's classes: what the bench needs of an extractor. */
async function networkExtractor(path) {
  const model = await SegmentationModel.load(path);
  const classSet = await loadClassSet('ade150');
  return {
    columns: classSet.classes.map(({ name }) => ({ name, kind: 'percent' })),
    settings: { model: model.id },
    passSize: 4,
    async extract(images, { signal } = {}) {
      const maps = await model.segmentBatch(images, { imageSize: 128, passSize: 4, signal });
      return maps.map(({ data }) => ({
        values: classPercentages(data, classSet).map(({ percent }) => percent),
      }));
    },
    async [Symbol.asyncDispose]() {
      await model[Symbol.asyncDispose]();
    },
  };
}

if (process.argv[2] === 'worker') {
  const { folder, output, network, threads, everyMegabytes } = JSON.parse(process.argv[3]);
  const images = await imagesOfPaths([folder]);
  const extractor = network
    ? await networkExtractor(network)
    : pixelExtractor({ passSize: 8, company: true });
  let tenth = 0;
  const onProgress = (done, total) => {
    if (!everyMegabytes || (10 * done) / total < tenth + 1) return;
    tenth++;
    process.stderr.write(`${Math.round(process.memoryUsage.rss() / 2 ** 20)} `);
  };
  const {
    failures: _,
    means: __,
    ...summary
  } = await extractTable(extractor, images, {
    ...{ output, onProgress },
    ...(threads ? { threads } : {}),
  });
  await extractor[Symbol.asyncDispose]();
  console.log(JSON.stringify(summary));
} else {
  await bench(Number(process.argv[2] ?? 10_000), Number(process.argv[3] ?? 20));
}

/** Runs a worker; with `killAfter`, kills it so many milliseconds after its start. */
function work(job, { killAfter, env = {} } = {}) {
  const child = spawn(process.execPath, [self, 'worker', JSON.stringify(job)], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const started = performance.now();
  const [output, error] = [[], []];
  child.stdout.on('data', (bytes) => output.push(bytes));
  child.stderr.on('data', (bytes) => error.push(bytes));
  const timer = killAfter === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), killAfter);
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const [stdout, stderr] = [output, error].map((parts) => Buffer.concat(parts).toString());
      if (code !== 0 && signal !== 'SIGKILL') throw new Error(stderr);
      const milliseconds = performance.now() - started;
      resolve({ signal, stderr, milliseconds, summary: stdout ? JSON.parse(stdout) : undefined });
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
  const noise = { width: 200, height: 150, channels: 3, noise: { type: 'gaussian', mean: 128, sigma: 60 } };
  for (let i = 0; i < count; i++) {
    const small = await decodeImage(
      await sharp({ create: { ...noise, background: 'grey' } })
        .png()
        .toBuffer(),
    );
    const large = sharp(small.data, { raw: { width: small.width, height: small.height, channels: 3 } });
    await large
      .resize(800, 600)
      .jpeg({ quality: 90 })
      .toFile(join(folder, `${String(i).padStart(4, '0')}.jpg`));
  }
}

async function bench(count, kills) {
  const { folder: root, model } = await writeNetwork();
  setting(`${count} images, ${kills} kills`);
  const folder = join(root, 'small');
  await writeSmall(folder, count);
  const job = (name) => ({ folder, output: join(root, name) });
  const whole = await work({ ...job('whole.csv'), everyMegabytes: true });
  const { imagesPerSecond } = whole.summary;
  console.log(
    `never killed: ${(whole.milliseconds / 1000).toFixed(1)} s, ${imagesPerSecond.toFixed(0)} images/s`,
  );
  console.log(`memory at its tenths, MiB: ${whole.stderr.trim()}`);
  // Moments that leave something to do for all kills.
  let killed = 0;
  for (let i = 0; i < kills; i++) {
    const killAfter = Math.random() * ((2.4 * whole.milliseconds) / kills + 300);
    if ((await work(job('killed.csv'), { killAfter })).signal === 'SIGKILL') killed++;
  }
  const { summary } = await work(job('killed.csv'));
  const same = ['', '.failures.csv'].every((end) =>
    readFileSync(join(root, `killed.csv${end}`)).equals(readFileSync(join(root, `whole.csv${end}`))),
  );
  console.log(
    `killed ${killed} times, ${summary.extracted} images left for the last run, ${summary.rows} rows: ` +
      (same ? 'the same, byte for byte' : 'DIFFERENT'),
  );
  if (!same) process.exitCode = 1;

  const photographs = join(root, 'photographs');
  await writePhotographs(photographs, 48);
  for (const threads of [2, 8]) {
    const env = { UV_THREADPOOL_SIZE: '10' };
    const waiting = { folder: photographs, output: join(root, `w${threads}.csv`), network: model, threads };
    const { summary: figures } = await work(waiting, { env });
    console.log(
      `${threads} decoding threads: ${figures.imagesPerSecond.toFixed(1)} images/s, ` +
        `${(100 * figures.waitingShare).toFixed(1)} % of the time waiting for images`,
    );
  }
}
