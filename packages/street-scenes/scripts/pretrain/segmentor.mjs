// A segmentor in training, and how it is judged.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { convert } from '../../../../lib/model/convert.js';
import { engine } from '../../../../lib/native/engine.js';
import { writeCard } from './card.mjs';
import { measureAde, writeScenes } from './measure.mjs';
import { wholeViews } from './plan.mjs';
import { heldOutSeed, Pretraining } from './training.mjs';
import { trainingEngine } from '../../lib/training-engine.js';

/** Batches that batch norms' statistics are taken from before weights are written. */
const calibrationBatches = 40;

export class SegmentorPretraining extends Pretraining {
  script = 'packages/street-scenes/scripts/pretrain.mjs';

  handlesOf({ count, images, labels, parts }) {
    const { width, height } = this.options;
    return {
      images: engine().tensor(images, [count, height, width, 3]),
      labels: engine().tensor(labels, [count, height, width]),
      parts: engine().tensor(parts, [count, height, width]),
    };
  }

  addScenes(handles) {
    return trainingEngine().trainingAdd(this.training, handles);
  }

  get heldOut() {
    return join(this.options.out, 'held-out');
  }
  get model() {
    return join(this.folder, 'model.pt');
  }

  async makeHeldOut() {
    const { evalScenes: val, width, height } = this.options;
    await writeScenes(this.heldOut, { train: 0, val, seed: heldOutSeed, width, height });
  }

  /** Writes backbone.safetensors, head.safetensors and the network that they are. */
  async writeNetwork() {
    const { batchSize } = this.options;
    await this.takeScenes();
    const { scenes } = trainingEngine().trainingInfo(this.training);
    for (let i = 0; i < calibrationBatches; i++) {
      const numbers = Int32Array.from({ length: batchSize }, (_, b) => (i * batchSize + b) % scenes);
      await this.withBatch(numbers, wholeViews(batchSize), (batch) =>
        trainingEngine().trainingCalibrate(this.training, batch),
      );
    }
    await mkdir(this.folder, { recursive: true });
    const paths = {
      backbone: join(this.folder, 'backbone.safetensors'),
      head: join(this.folder, 'head.safetensors'),
    };
    await trainingEngine().trainingSave(this.training, {
      ...paths,
      dtype: 'bfloat16',
      metadata: this.metadata,
    });
    await convert({ ...paths, out: this.model });
  }

  measure() {
    return measureAde(this.model, this.heldOut, this.options);
  }

  measuredText({ mIoU, pixelAccuracy }) {
    return `held-out ADE mIoU ${(100 * mIoU).toFixed(2)} %, pixels ${(100 * pixelAccuracy).toFixed(2)} %`;
  }

  describe(facts) {
    return writeCard(this.folder, { options: this.options, ...facts });
  }
}
