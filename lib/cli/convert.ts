import { convert } from '../model/convert.js';
import { withoutUndefined } from '../without-undefined.js';
import { command, printResult } from './command.js';
import { jsonFlag } from './shared-flags.js';

export default command({
  name: 'convert',
  summary: 'Builds the network from DINOv3 checkpoints and writes it as a TorchScript file.',
  stoppable: true,
  flags: {
    backbone: {
      type: 'text',
      value: 'FILE',
      required: true,
      help: "the backbone's state dict, .pth or .safetensors",
    },
    head: {
      type: 'text',
      value: 'FILE',
      required: true,
      help: 'the released head, .pth or .safetensors',
    },
    out: { type: 'text', value: 'FILE', required: true, help: 'the TorchScript file to write' },
    task: {
      type: 'text',
      choices: ['segmentation', 'detection'],
      help: 'what the head is for (default segmentation)',
    },
    dtype: {
      type: 'text',
      choices: ['float32', 'bfloat16'],
      help: 'precision of the stored backbone (default float32)',
    },
    ...jsonFlag,
  },
  async run({ flags: { backbone, head, out, task, dtype, json }, signal }) {
    const plan = await convert({ backbone, head, out, signal, ...withoutUndefined({ task, dtype }) });
    printResult({ out, ...plan }, json);
  },
});
