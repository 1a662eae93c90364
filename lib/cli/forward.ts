import { forwardFile } from '../model/forward-file.js';
import { withoutUndefined } from '../without-undefined.js';
import { command } from './command.js';
import { printResult } from './output.js';
import { placementFlags, placementOf, jsonFlag } from './shared-flags.js';

export default command({
  name: 'forward',
  summary: 'Runs the network on the images of a safetensors file and writes its raw outputs.',
  flags: {
    model: { type: 'text', value: 'FILE', required: true, help: 'TorchScript file of the network' },
    input: {
      type: 'text',
      value: 'FILE',
      required: true,
      help: 'safetensors file with the tensor "image", B×3×H×W, normalised',
    },
    output: {
      type: 'text',
      value: 'FILE',
      required: true,
      help: 'safetensors file to write, with queries, pred_logits, pred_masks; for a backbone alone: features, layer_features; with a linear probe also its logits; for a detector: pred_logits, pred_boxes, scores, labels, boxes',
    },
    head: {
      type: 'text',
      value: 'FILE',
      help: "head to use instead of the network's own: a class_embed or a linear probe",
    },
    ...placementFlags,
    ...jsonFlag,
  },
  async run({ flags }) {
    const { model, input, output, head, json } = flags;
    const options = { model, input, output, ...withoutUndefined({ head }), ...placementOf(flags) };
    printResult({ output, ...(await forwardFile(options)) }, json);
  },
});
