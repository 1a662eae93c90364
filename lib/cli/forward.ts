import { forwardFile } from '../model/forward-file.js';
import { withoutUndefined } from '../without-undefined.js';
import { command } from './command.js';
import { printResult } from './output.js';
import { placementFlags, jsonFlag } from './shared-flags.js';

export default command({
  name: 'forward',
  summary: "Writes the network's outputs for the images in a safetensors file.",
  flags: {
    model: { type: 'text', value: 'FILE', required: true, help: 'the network, a TorchScript file' },
    input: {
      type: 'text',
      value: 'FILE',
      required: true,
      help: 'safetensors with image: B×3×H×W, normalised',
    },
    output: {
      type: 'text',
      value: 'FILE',
      required: true,
      help: 'safetensors to write: queries, pred_logits, pred_masks; of a detector pred_logits, pred_boxes, scores, labels, boxes',
    },
    head: { type: 'text', value: 'FILE', help: "a head in place of the network's own class_embed" },
    ...placementFlags,
    ...jsonFlag,
  },
  async run({ flags: { model, input, output, head, dtype, precision, device, json } }) {
    const options = { model, input, output, ...withoutUndefined({ device, head, dtype, precision }) };
    printResult({ output, ...(await forwardFile(options)) }, json);
  },
});
