import { ClassHead } from '../model/class-head.js';
import { exportModel } from '../model/convert.js';
import { SegmentationModel } from '../model/segmentation-model.js';
import { withoutUndefined } from '../without-undefined.js';
import { command } from './command.js';
import { printResult } from './output.js';
import { jsonFlag } from './shared-flags.js';

export default command({
  name: 'export',
  summary: 'Writes a TorchScript file that includes the trained head; plain PyTorch can load it.',
  stoppable: true,
  flags: {
    model: { type: 'text', value: 'FILE', required: true, help: 'TorchScript file of the network' },
    head: { type: 'text', value: 'FILE', required: true, help: 'trained head' },
    out: { type: 'text', value: 'FILE', required: true, help: 'TorchScript file to write' },
    dtype: {
      type: 'text',
      choices: ['stored', 'float32', 'bfloat16'],
      help: 'weight precision (default: as stored in the file)',
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
