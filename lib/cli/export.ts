import { exportModel } from '../model/convert.js';
import { LinearProbe } from '../model/linear-probe.js';
import { openHead } from '../model/open-head.js';
import { SegmentationModel } from '../model/segmentation-model.js';
import { withoutUndefined } from '../without-undefined.js';
import { command } from './command.js';
import { note, printResult } from './output.js';
import { jsonFlag, trustFlag } from './shared-flags.js';

export default command({
  name: 'export',
  summary: 'Writes a TorchScript file that includes the trained head; plain PyTorch can load it.',
  stoppable: true,
  flags: {
    model: { type: 'text', value: 'FILE', required: true, help: 'TorchScript file of the network' },
    head: {
      type: 'text',
      value: 'FILE',
      required: true,
      help: 'trained head: a class_embed or a linear probe',
    },
    out: { type: 'text', value: 'FILE', required: true, help: 'TorchScript file to write' },
    dtype: {
      type: 'text',
      choices: ['stored', 'float32', 'bfloat16'],
      help: 'weight precision (default: as stored in the file)',
    },
    ...trustFlag,
    ...jsonFlag,
  },
  async run({ flags, signal }) {
    const { model: path, head: headPath, out, dtype, 'trust-code': trustCode, json } = flags;
    using model = await SegmentationModel.load(path, {
      device: 'cpu',
      ...withoutUndefined({ dtype, trustCode, signal }),
    });
    using head = await openHead(headPath, { device: model.device });
    await exportModel(model, head, out, { signal });
    if (head instanceof LinearProbe && model.provides.includes('decoded'))
      note(
        `${out} contains the backbone and the probe, without the adapter and the decoder, which the probe does not use.`,
      );
    const sizes =
      head instanceof LinearProbe ? { width: head.width, layers: head.layers } : { hidden: head.hidden };
    printResult({ out, ...sizes, classes: head.classes }, json);
  },
});
