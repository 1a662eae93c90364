import { SegmentationDataset } from '../data/dataset.js';
import { objectSentences } from '../data/object-counts.js';
import { attemptReport } from '../report/html/attempt.js';
import { evaluate } from '../evaluate/evaluate.js';
import { evaluationReport } from '../evaluate/evaluate-report.js';
import { withoutUndefined } from '../without-undefined.js';
import { command } from './command.js';
import { openFromFlags, segmenterFlags } from './open-segmenter.js';
import { complain, imageProgress, note, print, printJson, warn } from './output.js';
import { dataFlags, jsonFlag, readingOf } from './shared-flags.js';
import { evaluationText } from './text.js';

export default command({
  name: 'eval',
  summary: 'Evaluates a head on labelled images: mIoU, IoU of each class, pixel accuracy, per-image IoU.',
  flags: {
    data: {
      type: 'text',
      value: 'DIR',
      required: true,
      help: 'folder of labelled images (docs/data.md), or a list of pairs',
    },
    split: {
      type: 'text',
      value: 'NAME',
      default: 'val',
      help: 'split to evaluate; all: the images of a data set without splits',
    },
    ...dataFlags,
    report: { type: 'text', value: 'FILE', help: 'HTML page to write, with the results and some images' },
    ...segmenterFlags,
    ...jsonFlag,
  },
  stoppable: true,
  async run({ flags, signal }) {
    const { data, split, json, 'pass-size': passSize } = flags;
    using opened = await openFromFlags(flags);
    const { model, head, classSet, imageSize, scoring } = opened;
    const dataset = await SegmentationDataset.open(data, split, classSet, readingOf(flags));
    const beside = dataset.leftOutText;
    if (beside !== undefined) note(`left out: ${beside}`);
    const hooks = imageProgress(split);
    const options = { imageSize, scoring, signal, ...hooks, ...withoutUndefined({ passSize }) };
    const result = await evaluate(model, head, dataset, options);
    objectSentences(dataset.objectCounts).forEach(warn);
    if (json) printJson(result);
    else print(evaluationText(result));
    if (flags.report === undefined) return 0;
    const lead = `${data}, split ${split}`;
    const settings = { data, split, head: flags.head, ...withoutUndefined({ 'left out': beside }) };
    const shown = { imageSize, scoring, signal, lead, settings };
    const { report, reportError } = await attemptReport(flags.report, () =>
      evaluationReport(model, head, dataset, result, shown),
    );
    if (reportError) complain(reportError);
    else note(`report: ${report}`);
    return reportError ? 1 : 0;
  },
});
