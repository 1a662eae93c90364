import { unknownLabels } from '../data/polygons.js';
import { prepareIdd, type PrepareIddSummary } from '../data/prepare-idd.js';
import { didYouMean } from '../nearest.js';
import { counted, formatRate, formatSeconds } from '../text.js';
import { withoutUndefined } from '../without-undefined.js';
import { command } from './command.js';
import { complain, imageProgress, next, note, print, printJson, warn } from './output.js';
import { UsageError } from './parse.js';
import { jsonFlag } from './shared-flags.js';

const kinds = ['idd'];

export default command({
  name: 'prepare',
  summary: 'Makes label images of the polygons that a data set is shipped with.',
  positionals: {
    name: 'idd DIR',
    help: "idd: level-3 label images of IDD's polygons; DIR: the data set, or any folder of it",
    least: 2,
    most: 2,
  },
  flags: {
    out: {
      type: 'text',
      value: 'DIR2',
      help: 'gets the label images, in the same sub-folders (default: beside the polygons)',
    },
    jobs: {
      type: 'integer',
      least: 1,
      value: 'N',
      help: 'annotations that are worked on at a time (default: four times the cores)',
    },
    force: { type: 'boolean', help: 'makes all anew, also in place of label images made by other means' },
    strict: { type: 'boolean', help: 'ends at the first annotation that cannot be read' },
    unknown: {
      type: 'text',
      choices: unknownLabels,
      default: 'refuse',
      help: 'objects whose label IDD does not have: refuse, or ignore them as 255',
    },
    ...jsonFlag,
  },
  notes:
    'Stopped or killed, it goes on with the same command: label images that are up to date are left alone.',
  stoppable: true,
  goesOn: true,
  async run({ flags: { json, ...flags }, positionals: [kind, folder], signal }) {
    if (!kinds.includes(kind!))
      throw new UsageError(
        `prepare should be followed by one of ${kinds.join(', ')}; "${kind}" was given.${didYouMean(kind!, kinds)}`,
      );
    const { onProgress } = imageProgress('prepare');
    const summary = await prepareIdd(folder!, { ...withoutUndefined(flags), signal, onProgress });
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
  const { kept, faults, unknownLabels } = summary;
  if (annotationsPerSecond !== null)
    note(
      `${counted(written, 'annotation')} in ${formatSeconds(seconds)}, ${formatRate(annotationsPerSecond)} per second.`,
    );
  if (kept.length > 0)
    warn(
      `Left as they are, since they were made by other means: ${counted(kept.length, 'label image')} (first: ${kept[0]}); ` +
        '--force replaces them.',
    );
  for (const [label, count] of Object.entries(unknownLabels))
    warn(`${counted(count, 'object')} with the unknown label "${label}" set to 255.`);
  if (faults.length > 0) warn(`${counted(faults.length, 'annotation')} without a label image:`);
  for (const fault of faults) complain(fault);
}
