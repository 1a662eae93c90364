// A detector's head in training, and how it is judged.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { convert } from '../../../../lib/model/convert.js';
import { DetectionModel } from '../../../../lib/model/detection-model.js';
import { engine } from '../../../../lib/native/engine.js';
import { judgeBoxes } from './boxes.mjs';
import { writeDetectorCard } from './card.mjs';
import { SceneFiles } from './scenes.mjs';
import { heldOutSeed, Pretraining } from './training.mjs';
import { trainingEngine } from '../../lib/training-engine.js';

export class DetectorPretraining extends Pretraining {
  static shaping = [...Pretraining.shaping, 'backbone'];
  script = 'packages/street-scenes/scripts/pretrain-detector.mjs';

  get engineOptions() {
    return { ...super.engineOptions, backbone: this.options.backbone };
  }

  handlesOf({ count, images, objects }) {
    const { width, height } = this.options;
    const all = objects.flat();
    const integers = (values) => engine().tensor(Int32Array.from(values), [values.length]);
    return {
      images: engine().tensor(images, [count, height, width, 3]),
      boxes: engine().tensor(Float32Array.from(all.flatMap(({ box }) => box)), [all.length, 4]),
      classes: integers(all.map(({ id }) => id)),
      counts: integers(objects.map(({ length }) => length)),
    };
  }

  addScenes(handles) {
    return trainingEngine().trainingAddBoxes(this.training, handles);
  }

  /** Scenes with their objects, in memory. */
  async makeHeldOut() {
    const { evalScenes: count, width, height, out } = this.options;
    const folder = join(out, 'held-out');
    const source = await SceneFiles.start({ folder, seed: heldOutSeed, count, width, height });
    this.heldOut = [];
    for (let file = 0; file < source.length; file++) {
      const { images, objects } = await source.read(file);
      objects.forEach((own, i) => {
        const data = images.slice(3 * width * height * i, 3 * width * height * (i + 1));
        this.heldOut.push({ image: { data, width, height, channels: 3 }, objects: own });
      });
    }
  }

  get model() {
    return join(this.folder, 'detector.pt');
  }

  /** Writes detector-head.safetensors and the network that it is with its backbone. */
  async writeNetwork() {
    await mkdir(this.folder, { recursive: true });
    const head = join(this.folder, 'detector-head.safetensors');
    await trainingEngine().trainingSave(this.training, { head, dtype: 'bfloat16', metadata: this.metadata });
    await convert({ task: 'detection', backbone: this.options.backbone, head, out: this.model });
  }

  async measure() {
    const { device, imageSize } = this.options;
    const detector = await DetectionModel.load(this.model, { device });
    try {
      const scenes = [];
      for (const { image, objects } of this.heldOut) {
        const found = await detector.detect(image, {
          ...{ threshold: 0.05, top: detector.queries * detector.classes },
          imageSize: { width: imageSize, height: imageSize },
        });
        scenes.push({ objects, found });
      }
      return judgeBoxes(scenes);
    } finally {
      detector.dispose();
    }
  }

  measuredText({ ap50, thresholds }) {
    const [best] = [...thresholds].sort((a, b) => a.countError - b.countError);
    const at = (row) =>
      `at ${row.threshold} recall ${(100 * row.recall).toFixed(1)} %, precision ${(100 * row.precision).toFixed(1)} %, ` +
      `count error ${row.countError.toFixed(3)}`;
    const half = thresholds.find(({ threshold }) => threshold === 0.5);
    return `held-out AP50 ${(100 * ap50).toFixed(1)} %; ${at(half)}; least count error ${at(best)}`;
  }

  describe(facts) {
    return writeDetectorCard(this.folder, { options: this.options, ...facts });
  }
}
