import { ClassHead } from '../model/class-head.js';
import { exportModel } from '../model/convert.js';
import { SegmentationModel } from '../model/segmentation-model.js';
import { withoutUndefined } from '../without-undefined.js';
import { command } from './command.js';
import { printResult } from './output.js';
import { jsonFlag } from './shared-flags.js';

export default command({
  name: 'export',
  summary: 'Writes a TorchScript file with the trained head inside; plain PyTorch loads it.',
  stoppable: true,
  flags: {
    model: { type: 'text', value: 'FILE', required: true, help: 'the network, a TorchScript file' },
    head: { type: 'text', value: 'FILE', required: true, help: 'the head to put in' },
    out: { type: 'text', value: 'FILE', required: true, help: 'the TorchScript file to write' },
    dtype: {
      type: 'text',
      choices: ['stored', 'float32', 'bfloat16'],
      help: 'precision (default: as stored)',
    },
    ...jsonFlag,
  },
  async run({ flags: { model: path, head: headPath, out, dtype, json }, signal }) {
    using model = await SegmentationModel.load(path, {
      device: 'cpu',
      ...withoutUndefined({ dtype, signal }),
    });
    using head = await ClassHead.open(headPath, { device: model.device });
    await exportModel(model, head, out, { signal });
    printResult({ out, hidden: head.hidden, classes: head.classes }, json);
  },
});
