import { SegmentationDataset } from '../data/dataset.js';
import { evaluate } from '../train/evaluate.js';
import { withoutUndefined } from '../without-undefined.js';
import { command, print, printJson } from './command.js';
import { imageProgress, openFromFlags, segmenterFlags } from './open-segmenter.js';
import { dataFlags, jsonFlag } from './shared-flags.js';
import { evaluationText } from './text.js';

export default command({
  name: 'eval',
  summary: 'Measures a head on a labelled folder: mIoU, per class, pixel accuracy, per-image mean.',
  flags: {
    data: {
      type: 'text',
      value: 'DIR',
      required: true,
      help: 'labelled images (docs/data.md), or a list of pairs',
    },
    split: { type: 'text', value: 'NAME', help: 'default val; all: of data without splits' },
    ...dataFlags,
    ...segmenterFlags,
    ...jsonFlag,
  },
  stoppable: true,
  async run({ flags, signal }) {
    const { data, split = 'val', json, 'pass-size': passSize, layout } = flags;
    const { 'label-kind': labelKind, 'val-share': valShare } = flags;
    const reading = withoutUndefined({ labelKind, layout, valShare });
    using opened = await openFromFlags(flags);
    const { model, head, classSet, imageSize, scoring } = opened;
    const dataset = await SegmentationDataset.open(data, split, classSet, reading);
    const { bar, ...hooks } = imageProgress(split);
    const options = { imageSize, scoring, signal, ...hooks, ...withoutUndefined({ passSize }) };
    const result = await evaluate(model, head, dataset, options);
    bar.clear();
    if (json) printJson(result);
    else print(evaluationText(result));
  },
});
