import { predict } from '../train/predict.js';
import { withoutUndefined } from '../without-undefined.js';
import { command, note, print, printJson } from './command.js';
import { imageProgress, openFromFlags, segmenterFlags } from './open-segmenter.js';
import { jsonFlag } from './shared-flags.js';

export default command({
  name: 'predict',
  summary:
    'Segments images: original, class indices (.npy), coloured, side by side, and class statistics of each.',
  positionals: { name: 'IMAGE…', help: 'images, or folders of images', least: 1, most: Infinity },
  flags: {
    output: {
      type: 'text',
      value: 'DIR',
      required: true,
      help: 'gets a folder NAME_segmentation for each image',
    },
    window: {
      type: 'text',
      choices: ['whole', 'slide'],
      help: 'whole image resized (default), or a sliding window',
    },
    stride: {
      type: 'integer',
      least: 1,
      value: 'N',
      help: 'step of the sliding window (default: two thirds of it)',
    },
    ...segmenterFlags,
    ...jsonFlag,
  },
  stoppable: true,
  async run({ flags, positionals, signal }) {
    const { output, window: mode, stride, json, 'pass-size': passSize } = flags;
    using opened = await openFromFlags(flags);
    const { bar, ...hooks } = imageProgress('predict');
    const { written, failed } = await predict(opened.model, positionals, {
      ...opened,
      output,
      signal,
      ...hooks,
      ...withoutUndefined({ mode, stride, passSize }),
    });
    bar.clear();
    for (const { error } of failed) note(`${error.code}: ${error.message}`);
    const failures = failed.map(({ image, error }) => ({ image, code: error.code, message: error.message }));
    if (json) printJson({ written, failed: failures });
    else for (const { folder } of written) print(folder);
    if (failed.length > 0)
      note(`${failed.length} of ${written.length + failed.length} images could not be read.`);
    return failed.length > 0 ? 1 : 0;
  },
});
