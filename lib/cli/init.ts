import {
  architectures,
  backboneArchitectures,
  detectorArchitectures,
  initModel,
} from '../model/init-model.js';
import { withoutUndefined } from '../without-undefined.js';
import { command } from './command.js';
import { printResult } from './output.js';
import { deviceFlag, jsonFlag } from './shared-flags.js';

const names = [...architectures, ...backboneArchitectures, ...detectorArchitectures];

export default command({
  name: 'init',
  summary: 'Writes a network with random weights as a TorchScript file, for benchmarks and experiments.',
  stoppable: true,
  flags: {
    arch: {
      type: 'text',
      choices: names,
      value: 'NAME',
      required: true,
      help: `one of ${names.join(', ')}; dinov3_vit7b16_ade20k_m2f and dinov3_vit7b16_coco_detr are the released ones (31 and 27 GB, half of that in bfloat16)`,
    },
    seed: {
      type: 'integer',
      least: 0,
      value: 'N',
      default: 0,
      help: 'seed of the weights; the same seed gives the same weights on every device',
    },
    out: { type: 'text', value: 'FILE', required: true, help: 'TorchScript file to write' },
    dtype: {
      type: 'text',
      choices: ['float32', 'bfloat16'],
      default: 'float32',
      help: 'weight precision of the backbone in the file',
    },
    ...deviceFlag,
    ...jsonFlag,
  },
  async run({ flags: { arch, seed, out, dtype, device, json }, signal }) {
    const plan = await initModel({ arch, out, seed, dtype, signal, ...withoutUndefined({ device }) });
    printResult({ out, ...plan }, json);
  },
});
