import { join } from 'node:path';
import { predict } from '../predict/predict.js';
import { predictionKinds } from '../report/prediction-files.js';
import { counted } from '../text.js';
import { withoutUndefined } from '../without-undefined.js';
import { command } from './command.js';
import { openFromFlags, segmenterFlags } from './open-segmenter.js';
import { complain, imageProgress, note, print, printJson, warn } from './output.js';
import { panoramaFlags, panoramaOf } from './panorama-flags.js';
import { images, jsonFlag, maxPixelsFlag } from './shared-flags.js';

export default command({
  name: 'predict',
  summary:
    'Segments images. Writes a folder NAME_segmentation for each: original, class indices (.npy), coloured map (PNG whose values are the indices), comparison, class statistics.',
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
    files: {
      type: 'text',
      choices: predictionKinds,
      times: predictionKinds.length,
      value: 'LIST',
      help: 'which files to write, joined by commas (default: all five)',
    },
    'skip-existing': {
      type: 'boolean',
      help: 'leave out images whose files were written before with the same settings',
    },
    ...panoramaFlags,
    ...maxPixelsFlag,
    'no-report': { type: 'boolean', help: 'do not write report.html, a page with some of the images' },
    ...segmenterFlags,
    ...jsonFlag,
  },
  stoppable: true,
  async run({ flags, positionals, signal }) {
    const {
      output,
      window: mode,
      stride,
      files,
      json,
      'pass-size': passSize,
      'max-pixels': maxPixels,
    } = flags;
    const skipExisting = flags['skip-existing'];
    const panorama = panoramaOf(flags);
    const report = flags['no-report'] ? undefined : join(output, 'report.html');
    using opened = await openFromFlags(flags);
    const hooks = imageProgress('predict');
    const { model, head, classSet, scoring, imageSize } = opened;
    const result = await predict(model, positionals, {
      ...{ head, classSet, scoring, imageSize, output, mode },
      signal,
      ...hooks,
      ...withoutUndefined({ stride, passSize, report, files, skipExisting, panorama, maxPixels }),
    });
    const { written, failed, skipped, reportError } = result;
    for (const { error } of failed) complain(error);
    const failures = failed.map(({ image, error }) => ({ image, code: error.code, message: error.message }));
    const { leftOut } = result;
    if (json) printJson({ written, skipped, failed: failures, leftOut, report: result.report });
    else for (const { folder } of written) print(folder);
    if (skipped > 0)
      note(`${counted(skipped, 'prediction')} ${skipped === 1 ? 'was' : 'were'} there already.`);
    if (result.report !== null) note(`report: ${result.report}`);
    if (reportError) complain(reportError);
    if (failed.length > 0)
      warn(`${failed.length} of ${counted(written.length + failed.length, 'image')} failed.`);
    return failed.length > 0 || reportError ? 1 : 0;
  },
});
