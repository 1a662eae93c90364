// The training itself: a network in training on the engine, its scenes, its checkpoints.
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { atomicWriteFile } from '../../dist/files.js';
import { engine } from '../../dist/native/engine.js';
import { learningRateAt, scenesAt, scenesOf, viewsOf, wholeViews } from './plan.mjs';
import { SceneFiles } from './scenes.mjs';

/** Batches that batch norms' statistics are taken from before weights are written. */
const calibrationBatches = 40;

export class Pretraining {
  /** What changes the weights that come out; a run goes on only under the same. */
  static shaping = [
    'arch',
    'seed',
    'steps',
    'batchSize',
    'scenes',
    'imageSize',
    'width',
    'height',
    'lr',
    'weightDecay',
    'warmup',
  ];

  constructor(options, training) {
    this.options = options;
    this.training = training;
    this.step = 0;
    this.files = 0;
  }

  /** Starts a training, or goes on with the one that `options.out` holds. */
  static async open(options, say) {
    const training = await engine().createTraining({
      architecture: options.arch,
      seed: options.seed,
      device: options.device,
      height: options.imageSize,
      width: options.imageSize,
      sceneHeight: options.height,
      sceneWidth: options.width,
      capacity: options.scenes,
    });
    const own = new Pretraining(options, training);
    await mkdir(options.out, { recursive: true });
    const settings = Object.fromEntries(Pretraining.shaping.map((name) => [name, options[name]]));
    if (existsSync(own.statePath)) {
      const before = JSON.parse(await readFile(own.settingsPath, 'utf8'));
      for (const name of Pretraining.shaping)
        if (before[name] !== settings[name])
          throw new Error(
            `${options.out} holds a training with --${name} ${before[name]}, not ${settings[name]}: give the same settings, or a new --out`,
          );
      await engine().trainingRestoreState(training, own.statePath);
      own.step = engine().trainingInfo(training).steps;
      say(`going on from step ${own.step}`);
    } else await atomicWriteFile(own.settingsPath, `${JSON.stringify(settings, null, 2)}\n`);
    return own;
  }

  get statePath() {
    return join(this.options.out, 'state.safetensors');
  }
  get settingsPath() {
    return join(this.options.out, 'settings.json');
  }

  /** Begins to draw. */
  async startScenes(onDrawn) {
    const { sceneFolder: folder, seed, scenes: count, width, height } = this.options;
    // Training's scenes are those of seeds from 1,000,000; what a network is judged by is of other seeds.
    this.source = await SceneFiles.start({ folder, seed: 1_000_000 + seed, count, width, height, onDrawn });
  }

  /** Takes in what the next step may take from. */
  async #addScenes() {
    const { width, height } = this.options;
    while (engine().trainingInfo(this.training).scenes < scenesAt(this.step, this.options)) {
      const { count, images, labels, parts } = await this.source.read(this.files++);
      const handles = {
        images: engine().tensor(images, [count, height, width, 3]),
        labels: engine().tensor(labels, [count, height, width]),
        parts: engine().tensor(parts, [count, height, width]),
      };
      await engine().trainingAdd(this.training, handles);
      for (const handle of Object.values(handles)) engine().dispose(handle);
    }
  }

  #batch(numbers, views) {
    return {
      scenes: engine().tensor(numbers, [numbers.length]),
      views: engine().tensor(views, [numbers.length, 9]),
    };
  }

  get learningRate() {
    const { steps, warmup, lr: learningRate } = this.options;
    return learningRateAt(this.step, { steps, warmup, learningRate });
  }

  /** Resolves when the device has its work. */
  async takeStep() {
    const { seed, batchSize, weightDecay, maxNorm, ema } = this.options;
    await this.#addScenes();
    const batch = this.#batch(scenesOf(this.step, this.options), viewsOf(seed, this.step, batchSize));
    await engine().trainingStep(this.training, batch, {
      learningRate: this.learningRate,
      weightDecay,
      maxNorm,
      ema,
    });
    for (const handle of Object.values(batch)) engine().dispose(handle);
    this.step++;
  }

  losses() {
    return engine().trainingLosses(this.training);
  }

  saveState() {
    return engine().trainingSaveState(this.training, this.statePath);
  }

  /** Writes backbone.safetensors and head.safetensors into a folder; gives their paths. */
  async saveNetwork(folder, dtype) {
    const { batchSize, scenes, seed } = this.options;
    await this.#addScenes();
    const { scenes: count } = engine().trainingInfo(this.training);
    for (let i = 0; i < calibrationBatches; i++) {
      const numbers = Int32Array.from({ length: batchSize }, (_, b) => (i * batchSize + b) % count);
      const batch = this.#batch(numbers, wholeViews(batchSize));
      await engine().trainingCalibrate(this.training, batch);
      for (const handle of Object.values(batch)) engine().dispose(handle);
    }
    await mkdir(folder, { recursive: true });
    const paths = { backbone: join(folder, 'backbone.safetensors'), head: join(folder, 'head.safetensors') };
    const metadata = {
      origin: 'trained on drawn street scenes by scripts/pretrain.mjs of dinov3-seg; synthetic',
      license: 'Apache-2.0',
      scenes: String(scenes),
      trainingSeed: String(seed),
    };
    await engine().trainingSave(this.training, { ...paths, dtype, metadata });
    return paths;
  }
}
