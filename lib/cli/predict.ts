import { join } from 'node:path';
import { predict } from '../predict/predict.js';
import { counted } from '../text.js';
import { withoutUndefined } from '../without-undefined.js';
import { command } from './command.js';
import { openFromFlags, segmenterFlags } from './open-segmenter.js';
import { complain, imageProgress, note, print, printJson, warn } from './output.js';
import { images, jsonFlag } from './shared-flags.js';

export default command({
  name: 'predict',
  summary:
    'Segments images. Writes a folder NAME_segmentation for each: original, class indices (.npy), coloured map, comparison, class statistics.',
  positionals: { ...images, least: 1 },
  flags: {
    output: {
      type: 'text',
      value: 'DIR',
      required: true,
      help: 'where to write the results',
    },
    window: {
      type: 'text',
      choices: ['whole', 'slide'],
      default: 'whole',
      help: 'whole: resize the whole image; slide: use a sliding window',
    },
    stride: {
      type: 'integer',
      least: 1,
      value: 'N',
      help: 'step of the sliding window in pixels (default: two thirds of the window)',
    },
    'no-report': { type: 'boolean', help: 'do not write report.html, a page with some of the images' },
    ...segmenterFlags,
    ...jsonFlag,
  },
  stoppable: true,
  async run({ flags, positionals, signal }) {
    const { output, window: mode, stride, json, 'pass-size': passSize } = flags;
    const report = flags['no-report'] ? undefined : join(output, 'report.html');
    using opened = await openFromFlags(flags);
    const hooks = imageProgress('predict');
    const { model, head, classSet, scoring, imageSize } = opened;
    const result = await predict(model, positionals, {
      ...{ head, classSet, scoring, imageSize, output, mode },
      signal,
      ...hooks,
      ...withoutUndefined({ stride, passSize, report }),
    });
    const { written, failed, reportError } = result;
    for (const { error } of failed) complain(error);
    const failures = failed.map(({ image, error }) => ({ image, code: error.code, message: error.message }));
    if (json) printJson({ written, failed: failures, leftOut: result.leftOut, report: result.report });
    else for (const { folder } of written) print(folder);
    if (result.report !== null) note(`report: ${result.report}`);
    if (reportError) complain(reportError);
    if (failed.length > 0)
      warn(`${failed.length} of ${counted(written.length + failed.length, 'image')} could not be read.`);
    return failed.length > 0 || reportError ? 1 : 0;
  },
});
