import { convert } from '../model/convert.js';
import type { ConvertedPlan } from '../native/bindings/engine.js';
import { withoutUndefined } from '../without-undefined.js';
import { command } from './command.js';
import { normalizationNames } from '../model/normalization.js';
import { next, note, printResult } from './output.js';
import { jsonFlag } from './shared-flags.js';

function nextCommand(network: ConvertedPlan['network'], out: string): string {
  const train = `dinov3-seg train --model ${out} --data DIR --out RUN`;
  if (network === 'detector') return `dinov3-seg features --model M --detector ${out} --output T.csv IMAGE…`;
  if (network === 'backbone') return `${train}, which trains a linear probe`;
  return `${train}, or features --model ${out} --output T.csv IMAGE…`;
}

export default command({
  name: 'convert',
  summary: 'Builds the network from DINOv3 checkpoints and writes it as a TorchScript file.',
  stoppable: true,
  flags: {
    backbone: {
      type: 'text',
      value: 'PATH',
      required: true,
      help: "backbone: a .pth, .safetensors or network file, or a folder of Hugging Face (also of a whole EoMT network); Meta's, Hugging Face's or timm's keys",
    },
    head: {
      type: 'text',
      value: 'FILE',
      help: 'released head, linear head or differences of EoMT, .pth or .safetensors (default: none; the network is the backbone alone, for linear probes)',
    },
    out: { type: 'text', value: 'FILE', required: true, help: 'TorchScript file to write' },
    task: {
      type: 'text',
      choices: ['segmentation', 'detection'],
      default: 'segmentation',
      help: 'task of the head',
    },
    dtype: {
      type: 'text',
      choices: ['float32', 'bfloat16'],
      default: 'float32',
      help: 'weight precision of the backbone in the file',
    },
    normalization: {
      type: 'text',
      choices: normalizationNames,
      help: 'images that the backbone was trained on, which set the mean and standard deviation of its input; lvd: web images, sat: satellite images (default: as preprocessor_config.json says, else lvd)',
    },
    'attention-heads': {
      type: 'integer',
      least: 1,
      value: 'N',
      help: 'attention heads of a backbone whose files do not state them',
    },
    ...jsonFlag,
  },
  async run({ flags, signal }) {
    const { backbone, head, out, task, dtype, normalization, json } = flags;
    const given = withoutUndefined({ head, normalization, attentionHeads: flags['attention-heads'] });
    const { notes, ...plan } = await convert({ backbone, out, task, dtype, signal, ...given });
    notes.forEach(note);
    printResult({ out, ...plan }, json);
    next(nextCommand(plan.network, out));
  },
});
