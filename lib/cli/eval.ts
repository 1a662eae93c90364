import { SegmentationDataset } from '../data/dataset.js';
import { openSegmenter } from '../model/segmenter.js';
import { evaluate } from '../train/evaluate.js';
import { ProgressBar } from '../train/progress.js';
import { withoutUndefined } from '../without-undefined.js';
import { command, note, print, printJson } from './command.js';
import { classesFlag, jsonFlag, labelKindFlag, placementFlags, scoringFlags } from './shared-flags.js';
import { evaluationText } from './text.js';

export default command({
  name: 'eval',
  summary: 'Measures a head on a labelled folder: mIoU, per class, pixel accuracy, per-image mean.',
  flags: {
    model: { type: 'text', value: 'FILE', required: true, help: 'the network, a TorchScript file' },
    head: { type: 'text', value: 'FILE', help: "the trained head (default: the network's own class_embed)" },
    data: { type: 'text', value: 'DIR', required: true, help: 'folder with leftImg8bit and gtFine' },
    split: { type: 'text', value: 'NAME', help: 'default val' },
    ...classesFlag,
    ...labelKindFlag,
    ...scoringFlags,
    ...placementFlags,
    ...jsonFlag,
  },
  stoppable: true,
  async run({ flags, signal }) {
    const {
      model,
      head,
      data,
      split = 'val',
      classes,
      scoring,
      device = 'auto',
      dtype,
      precision,
      json,
    } = flags;
    const files = withoutUndefined({
      head,
      classes,
      scoring,
      dtype,
      precision,
      imageSize: flags['image-size'],
    });
    using opened = await openSegmenter({ model, device, ...files });
    opened.warnings.forEach(note);
    const kind = withoutUndefined({ labelKind: flags['label-kind'] });
    const dataset = await SegmentationDataset.open(data, split, opened.classSet, kind);
    const bar = new ProgressBar();
    const result = await evaluate(opened.model, opened.head, dataset, {
      imageSize: opened.imageSize,
      scoring: opened.scoring,
      signal,
      onProgress: (done, total) => bar.update({ label: split, done, total }),
    });
    bar.clear();
    if (json) printJson(result);
    else print(evaluationText(result));
  },
});
