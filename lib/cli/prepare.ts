import { objectSentences } from '../data/object-counts.js';
import { prepareIdd, type PrepareIddSummary } from '../data/prepare-idd.js';
import { didYouMean } from '../nearest.js';
import { counted, formatRate, formatSeconds } from '../text.js';
import { withoutUndefined } from '../without-undefined.js';
import { command } from './command.js';
import { complain, imageProgress, next, note, print, printJson, warn } from './output.js';
import { UsageError } from './parse.js';
import { settingFlags } from './setting-flags.js';
import { jsonFlag } from './shared-flags.js';

const kinds = ['idd'];

export default command({
  name: 'prepare',
  summary: 'Draws label images from the polygon annotations of a data set.',
  positionals: {
    name: 'idd DIR',
    help: 'idd: level-3 label images of IDD; DIR: folder of the data set, or any of its sub-folders',
    least: 2,
    most: 2,
  },
  flags: {
    out: {
      type: 'text',
      value: 'DIR2',
      help: 'folder for the label images, with the same sub-folders (default: next to the polygons)',
    },
    jobs: {
      type: 'integer',
      least: 1,
      value: 'N',
      help: 'annotations processed in parallel (default: four times the number of cores)',
    },
    force: { type: 'boolean', help: 'make all label images again, and replace those that other tools made' },
    strict: { type: 'boolean', help: 'stop at the first annotation that cannot be read' },
    ...settingFlags('unknown', 'maxPixels'),
    ...jsonFlag,
  },
  notes: 'To continue a stopped run, give the same command again: label images that are up to date are kept.',
  stoppable: true,
  goesOn: true,
  async run({ flags: { json, 'max-pixels': maxPixels, ...flags }, positionals: [kind, folder], signal }) {
    if (!kinds.includes(kind!))
      throw new UsageError(
        `prepare expects one of ${kinds.join(', ')}, not "${kind}".${didYouMean(kind!, kinds)}`,
      );
    const { onProgress } = imageProgress('prepare');
    const summary = await prepareIdd(folder!, {
      ...withoutUndefined({ ...flags, maxPixels }),
      signal,
      onProgress,
    });
    if (json) printJson(summary);
    else
      print(
        `${flags.out ?? folder}: ${counted(summary.written, 'label image')} made, ${summary.upToDate} up to date`,
      );
    report(summary);
    if (summary.faults.length > 0) return 1;
    next(`dinov3-seg data check ${folder}`);
    return 0;
  },
});

function report({ written, seconds, annotationsPerSecond, ...summary }: PrepareIddSummary): void {
  const { kept, faults } = summary;
  if (annotationsPerSecond !== null)
    note(
      `${counted(written, 'annotation')} in ${formatSeconds(seconds)}, ${formatRate(annotationsPerSecond)} per second.`,
    );
  if (kept.length > 0)
    warn(
      `Kept ${counted(kept.length, 'label image')} that other tools made (first: ${kept[0]}); ` +
        '--force replaces them.',
    );
  objectSentences(summary).forEach(warn);
  if (faults.length > 0) warn(`${counted(faults.length, 'annotation')} failed:`);
  for (const fault of faults) complain(fault);
}
