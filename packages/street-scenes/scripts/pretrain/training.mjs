// What the trainings of the shipped networks have in common: a network in training on the engine, its scenes, its checkpoints.
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { atomicWriteFile } from '../../../../lib/files.js';
import { engine } from '../../../../lib/native/engine.js';
import { learningRateAt, scenesAt, scenesOf, viewsOf } from './plan.mjs';
import { SceneFiles } from './scenes.mjs';
import { trainingEngine } from '../../lib/training-engine.js';

/** Of scenes that a network is judged by; those of training are of seeds from 1,000,000. */
export const heldOutSeed = 500;

/**
 * Subclasses give `engineOptions`, `handlesOf` and `addScenes`, and what is done beside the steps: `makeHeldOut`, `writeNetwork`,
 * `measure`, `measuredText`, `describe`.
 */
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

  constructor(options) {
    this.options = options;
    this.step = 0;
    this.files = 0;
    /** That earlier sittings of the run took. */
    this.secondsBefore = 0;
  }

  /** Starts a training, or goes on with the one that `options.out` holds. */
  static async open(options, say) {
    const own = new this(options);
    own.training = await trainingEngine().createTraining(own.engineOptions);
    await mkdir(options.out, { recursive: true });
    const settings = own.settings;
    if (existsSync(own.statePath)) {
      const before = JSON.parse(await readFile(own.settingsPath, 'utf8'));
      for (const name of this.shaping)
        if (before[name] !== settings[name])
          throw new Error(
            `${options.out} holds a training with --${name} ${before[name]}, not ${settings[name]}: give the same settings, or a new --out`,
          );
      own.secondsBefore = before.seconds ?? 0;
      await trainingEngine().trainingRestoreState(own.training, own.statePath);
      own.step = trainingEngine().trainingInfo(own.training).steps;
      say(`continuing from step ${own.step}`);
    } else await own.writeSettings(0);
    return own;
  }

  get settings() {
    return Object.fromEntries(this.constructor.shaping.map((name) => [name, this.options[name]]));
  }
  writeSettings(seconds) {
    return atomicWriteFile(this.settingsPath, `${JSON.stringify({ ...this.settings, seconds }, null, 2)}\n`);
  }

  get engineOptions() {
    const { arch, seed, device, imageSize, height, width, scenes } = this.options;
    return {
      ...{ architecture: arch, seed, device, height: imageSize, width: imageSize },
      ...{ sceneHeight: height, sceneWidth: width, capacity: scenes },
    };
  }

  get statePath() {
    return join(this.options.out, 'state.safetensors');
  }
  get settingsPath() {
    return join(this.options.out, 'settings.json');
  }
  /** Where the network is written. */
  get folder() {
    return join(this.options.out, 'network');
  }

  /** What the files say of themselves. */
  get metadata() {
    const { scenes, seed } = this.options;
    return {
      origin: `trained on drawn street scenes by ${this.script} of dinov3-seg; synthetic`,
      license: 'Apache-2.0',
      scenes: String(scenes),
      trainingSeed: String(seed),
    };
  }

  /** Begins to draw. */
  async startScenes(onDrawn) {
    const { sceneFolder: folder, seed, scenes: count, width, height } = this.options;
    this.source = await SceneFiles.start({ folder, seed: 1_000_000 + seed, count, width, height, onDrawn });
  }
  stopScenes() {
    this.source.stop();
  }

  /** Takes in what the next step may take from. */
  async takeScenes() {
    while (trainingEngine().trainingInfo(this.training).scenes < scenesAt(this.step, this.options)) {
      const handles = this.handlesOf(await this.source.read(this.files++));
      await this.addScenes(handles);
      for (const handle of Object.values(handles)) engine().dispose(handle);
    }
  }

  /** A batch for as long as `use` takes. */
  async withBatch(numbers, views, use) {
    const batch = {
      scenes: engine().tensor(numbers, [numbers.length]),
      views: engine().tensor(views, [numbers.length, 9]),
    };
    await use(batch);
    for (const handle of Object.values(batch)) engine().dispose(handle);
  }

  get learningRate() {
    const { steps, warmup, lr: learningRate } = this.options;
    return learningRateAt(this.step, { steps, warmup, learningRate });
  }

  /** Resolves when the device has its work. */
  async takeStep() {
    const { seed, batchSize, weightDecay, maxNorm, ema } = this.options;
    await this.takeScenes();
    await this.withBatch(scenesOf(this.step, this.options), viewsOf(seed, this.step, batchSize), (batch) =>
      trainingEngine().trainingStep(this.training, batch, {
        ...{ learningRate: this.learningRate, weightDecay, maxNorm, ema },
      }),
    );
    this.step++;
  }

  losses() {
    return trainingEngine().trainingLosses(this.training);
  }

  /** `seconds`: that the whole run has taken. */
  async saveState(seconds) {
    await trainingEngine().trainingSaveState(this.training, this.statePath);
    await this.writeSettings(seconds);
  }
}
