/** What bench/soak.mjs does at random. */
import { mkdtempSync, rmSync, truncateSync, copyFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { randomNumbers } from './random-numbers.mjs';
import { optionsOf, pictures } from './soak-pictures.mjs';

const { ClassHead, DinoSegError, SegmentationModel, Tensor, encodePng, initModel, train } =
  await import('../dist/index.js');

/**
 * Opens what all actions share. Give `network`, or undefined for a random one. `fromFiles`: whether to decode and train from files.
 *
 * @returns `act(loop)` does one thing; `faults` and `tally` grow; `close()` frees all.
 */
export async function openSoak({ device, network: given, seed, fromFiles }) {
  const folder = mkdtempSync(join(tmpdir(), 'dinov3-seg-soak-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const network = given ?? join(folder, 'model.pt');
  if (given === undefined) await initModel({ arch: 'tiny', seed: 1, out: network, device: 'cpu' });
  const imageSize = given === undefined ? 64 : 256;
  const images = pictures(imageSize);
  const model = await SegmentationModel.load(network, { device });
  const expected = [];
  for (const [index, image] of images.entries())
    expected.push((await model.segment(image, optionsOf(index, imageSize))).data);
  const damaged = await writeDamaged(folder, network);
  const encoded = fromFiles
    ? await encodePng(images[1].data, images[1].width, images[1].height, 3)
    : undefined;
  const data = fromFiles ? await writeData(join(folder, 'data')) : undefined;

  const faults = [];
  const tally = { actions: {}, refusals: {}, maps: 0, leastAlike: 1 };
  const random = Array.from({ length: 16 }, (_, i) => randomNumbers(seed * 1000 + i));
  let names = 0;

  /** A map must be what it was at first: on the CPU to the bit, on a GPU where passes of other sizes may round otherwise in 99 %. */
  function check(index, map) {
    const first = expected[index];
    let same = 0;
    for (let i = 0; i < first.length; i++) if (map[i] === first[i]) same++;
    const alike = map.length === first.length ? same / first.length : 0;
    tally.maps++;
    tally.leastAlike = Math.min(tally.leastAlike, alike);
    if (alike < (device === 'cpu' ? 1 : 0.99))
      faults.push(`picture ${index}: ${(100 * alike).toFixed(2)} % of the map is as at first`);
  }

  /** Runs a call that must be refused with one of the package's own errors. */
  async function refused(call) {
    try {
      await call();
      faults.push(`was not refused: ${call}`);
    } catch (error) {
      const isTyped = error instanceof DinoSegError && !['INTERNAL', 'TORCH'].includes(error.code);
      if (isTyped) tally.refusals[error.code] = (tally.refusals[error.code] ?? 0) + 1;
      else faults.push(`was refused with ${error}: ${call}`);
    }
  }

  /** Runs a call that is aborted after `milliseconds`; gives its value if it was done before. */
  async function aborted(milliseconds, call) {
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(), milliseconds);
    try {
      return await call(controller.signal);
    } catch (error) {
      // A run of training tells with an error of its own how to go on.
      if (!controller.signal.aborted || (error !== controller.signal.reason && error.code !== 'ABORTED'))
        throw error;
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }

  const tensorOf = (count, size, draw) =>
    Tensor.from(
      Float32Array.from({ length: count * 3 * size * size }, () => 2 * draw() - 1),
      [count, 3, size, size],
    );

  /** A few steps of a head, on outputs of the network. */
  const trainHead = (draw, of = model) =>
    disposing(async (use) => {
      const head = use(
        ClassHead.create({
          hidden: of.hidden,
          classes: 5,
          seed: Math.floor(1e6 * draw()),
          device,
        }),
      );
      const input = use(tensorOf(2, imageSize, draw));
      const decoded = use(await of.decode(input));
      const labels = Uint8Array.from({ length: 2 * imageSize * imageSize }, (_, i) => (i >> 5) % 5);
      const labelTensor = use(Tensor.from(labels, [2, imageSize, imageSize]));
      for (let step = 0; step < 3; step++) {
        const { loss } = await head.accumulate(decoded, labelTensor);
        const { gradNorm } = await head.step();
        if (!Number.isFinite(loss) || !(gradNorm > 0)) faults.push(`loss ${loss}, gradient ${gradNorm}`);
      }
      const path = join(folder, `head${names++}.safetensors`);
      await head.save(path, { optimizer: true });
      const again = use(await ClassHead.load(path, { device }));
      const [before, after] = [await head.state(), await again.state()];
      if (!Buffer.from(before.weight.buffer).equals(Buffer.from(after.weight.buffer)))
        faults.push('a head was read otherwise');
      await rm(path);
    });

  const pick = (draw, list) => list[Math.floor(draw() * list.length)];

  const actions = {
    async segment(draw) {
      const index = Math.floor(draw() * images.length);
      check(index, (await model.segment(images[index], optionsOf(index, imageSize))).data);
    },
    async segmentTogether(draw) {
      const indices = Array.from({ length: 2 + Math.floor(4 * draw()) }, () =>
        pick(draw, [0, 1, 2, 4, 5, 7]),
      );
      const maps = await model.segmentBatch(
        indices.map((index) => images[index]),
        { imageSize },
      );
      indices.forEach((index, i) => check(index, maps[i].data));
    },
    async segmentFile() {
      check(1, (await model.segment(encoded, { imageSize })).data);
    },
    trainHead,
    loadAndDispose: (draw) =>
      disposing(async (use) => {
        const own = use(await SegmentationModel.load(network, { device }));
        const index = Math.floor(draw() * images.length);
        check(index, (await own.segment(images[index], optionsOf(index, imageSize))).data);
        if (draw() < 0.5) await trainHead(draw, own);
      }),
    /** Garbage collection alone frees it. */
    async loadAndForget() {
      const own = await SegmentationModel.load(network, { device });
      check(0, (await own.segment(images[0], { imageSize })).data);
      await own.decode(tensorOf(1, imageSize, () => 0.5));
    },
    async abort(draw) {
      const index = Math.floor(draw() * images.length);
      const map = await aborted(100 * draw() ** 2, (signal) =>
        model.segment(images[index], { ...optionsOf(index, imageSize), signal }),
      );
      if (map) check(index, map.data);
    },
    async abortLoad(draw) {
      const own = await aborted(200 * draw() ** 2, (signal) =>
        SegmentationModel.load(network, { device, signal }),
      );
      own?.dispose();
    },
    async refuse(draw) {
      const cases = [
        () => SegmentationModel.load(join(folder, 'absent.pt'), { device }),
        () => SegmentationModel.load(pick(draw, damaged), { device }),
        () => ClassHead.load(pick(draw, damaged), { device }),
        () => model.segment({ ...images[0], width: 3 }, { imageSize }),
        () => model.segment(images[0], { imageSize: 33 }),
        () => model.decode(Tensor.from(new Float32Array(12), [1, 3, 2, 2])),
        async () => {
          const own = await SegmentationModel.load(network, { device });
          own.dispose();
          await own.segment(images[0], { imageSize });
        },
        () =>
          disposing(async (use) => {
            const head = use(ClassHead.create({ hidden: model.hidden + 1, classes: 5, device }));
            await model.segment(images[0], { imageSize, head });
          }),
      ];
      if (encoded)
        cases.push(
          () =>
            model.segment(encoded.subarray(0, Math.floor(encoded.length * (0.2 + 0.7 * draw()))), {
              imageSize,
            }),
          () => model.segment(Buffer.alloc(100, 7), { imageSize }),
        );
      await refused(pick(draw, cases));
    },
    worker: (draw) => runWorker(pick(draw, ['dispose', 'leave', 'exit', 'throw']), draw),
    terminateWorker: (draw) => runWorker('dispose', draw, 1500 * draw() ** 2),
    async trainRun(draw) {
      const out = join(folder, `run${names++}`);
      const settings = { model: network, data, out, device, imageSize, epochs: 1, batchSize: 2, patience: 0 };
      const mode = pick(draw, ['live', 'cached']);
      const run = (signal) => train({ ...settings, mode, cache: `${out}-cache`, seed: 1 }, { signal });
      if (draw() < 0.5) await run();
      else await aborted(1500 * draw(), run);
      await rm(out, { recursive: true, force: true });
      await rm(`${out}-cache`, { recursive: true, force: true });
    },
  };

  /** Starts a thread that ends as `end` says, or is terminated after so many milliseconds. */
  async function runWorker(end, draw, terminateAfter) {
    const calls = 1 + Math.floor(3 * draw());
    const first = Math.floor(draw() * images.length);
    const worker = new Worker(new URL('./soak-worker.mjs', import.meta.url), {
      workerData: { network, device, imageSize, calls, first, end },
    });
    const errors = [];
    worker.on('error', (error) => errors.push(error));
    const exited = new Promise((resolve) => worker.once('exit', resolve));
    const imported = new Promise((resolve) =>
      worker.on('message', (message) => (message.imported ? resolve() : check(message.index, message.map))),
    );
    if (terminateAfter !== undefined) {
      await Promise.race([imported, exited]);
      await sleep(terminateAfter);
      await worker.terminate();
    }
    const code = await exited;
    const planned = { exit: 7, throw: 1 }[end] ?? 0;
    const isPlanned = terminateAfter === undefined ? code === planned : code === 1 || code === 0;
    const unplanned = errors.filter(({ message }) => end !== 'throw' || message !== 'as planned');
    if (!isPlanned || unplanned.length > 0)
      faults.push(`a thread (${end}) ended with ${code}: ${unplanned.join('; ')}`);
  }

  const shares = {
    ...{
      segment: 30,
      segmentTogether: 10,
      trainHead: 12,
      loadAndDispose: 8,
      loadAndForget: 4,
      abort: 12,
      abortLoad: 5,
    },
    ...{ refuse: 10, worker: 4, terminateWorker: 3, segmentFile: encoded ? 5 : 0, trainRun: data ? 1 : 0 },
  };
  const all = Object.values(shares).reduce((sum, share) => sum + share);

  async function act(loop) {
    const draw = random[loop];
    let at = draw() * all;
    const name = Object.keys(shares).find((key) => (at -= shares[key]) < 0);
    try {
      await actions[name](draw);
      tally.actions[name] = (tally.actions[name] ?? 0) + 1;
    } catch (error) {
      faults.push(`${name}: ${error.stack}`);
    }
  }

  const close = () => model[Symbol.asyncDispose]();
  return { act, faults, tally, close };
}

/** Runs `work`; what it gives to `use` is disposed of at its end. (Node.js 20 has no `using`.) */
async function disposing(work) {
  const held = [];
  const use = (value) => {
    held.push(value);
    return value;
  };
  try {
    return await work(use);
  } finally {
    for (const value of held) value.dispose();
  }
}

/** Files that are no network: half of one, noise, and nothing. */
async function writeDamaged(folder, network) {
  const paths = ['half', 'noise', 'empty'].map((name) => join(folder, `${name}.pt`));
  copyFileSync(network, paths[0]);
  truncateSync(paths[0], 100_000);
  writeFileSync(
    paths[1],
    Uint8Array.from({ length: 5000 }, (_, i) => (i * 7919) >> 3),
  );
  writeFileSync(paths[2], '');
  return paths;
}

/** Six drawn scenes to train on and two to evaluate. */
async function writeData(folder) {
  const { writeDemoDataset } = await import('../packages/street-scenes/index.mjs');
  await writeDemoDataset(folder, { train: 6, val: 2, seed: 1, width: 96, height: 64 });
  return folder;
}
