import { openSegmenter } from '../model/segmenter.js';
import { predict } from '../train/predict.js';
import { ProgressBar } from '../train/progress.js';
import { withoutUndefined } from '../without-undefined.js';
import { command, note, print, printJson } from './command.js';
import { classesFlag, jsonFlag, placementFlags, scoringFlags } from './shared-flags.js';

export default command({
  name: 'predict',
  summary:
    'Segments images: original, class indices (.npy), coloured, side by side, and class statistics of each.',
  positionals: { name: 'IMAGE…', help: 'images, or folders of images', least: 1, most: Infinity },
  flags: {
    model: { type: 'text', value: 'FILE', required: true, help: 'the network, a TorchScript file' },
    head: { type: 'text', value: 'FILE', help: "the trained head (default: the network's own class_embed)" },
    output: {
      type: 'text',
      value: 'DIR',
      required: true,
      help: 'gets a folder NAME_segmentation for each image',
    },
    ...classesFlag,
    ...scoringFlags,
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
    ...placementFlags,
    ...jsonFlag,
  },
  stoppable: true,
  async run({ flags, positionals, signal }) {
    const {
      model,
      head,
      output,
      classes,
      scoring,
      window: mode,
      stride,
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
    const bar = new ProgressBar();
    const { written, failed } = await predict(opened.model, positionals, {
      ...opened,
      output,
      signal,
      ...withoutUndefined({ mode, stride }),
      onProgress: (done, total) => bar.update({ label: 'predict', done, total }),
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
