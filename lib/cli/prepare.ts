import { unknownLabels } from '../data/polygons.js';
import { prepareIdd, type PrepareIddSummary } from '../data/prepare-idd.js';
import { didYouMean } from '../nearest.js';
import { withoutUndefined } from '../without-undefined.js';
import { command, note, print, printJson } from './command.js';
import { imageProgress } from './open-segmenter.js';
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
      help: 'objects whose label IDD does not have: refuse (default), or ignore them as 255',
    },
    ...jsonFlag,
  },
  notes:
    'Stopped or killed, it goes on with the same command: label images that are up to date are left alone.',
  stoppable: true,
  async run({ flags: { json, ...flags }, positionals: [kind, folder], signal }) {
    if (!kinds.includes(kind!))
      throw new UsageError(
        `prepare should be followed by one of ${kinds.join(', ')}; "${kind}" was given.${didYouMean(kind!, kinds)}`,
      );
    const { bar, onProgress } = imageProgress('prepare');
    const summary = await prepareIdd(folder!, { ...withoutUndefined(flags), signal, onProgress });
    bar.clear();
    if (json) printJson(summary);
    else
      print(`${flags.out ?? folder}: ${summary.written} label images made, ${summary.upToDate} up to date`);
    report(summary);
    return summary.faults.length > 0 ? 1 : 0;
  },
});

function report({ written, seconds, annotationsPerSecond, ...summary }: PrepareIddSummary): void {
  const { kept, faults, unknownLabels } = summary;
  if (annotationsPerSecond !== null)
    note(`${written} annotations in ${seconds.toFixed(1)} s, ${annotationsPerSecond.toFixed(0)} a second.`);
  if (kept.length > 0)
    note(
      `${kept.length} label images were made by other means and left as they are (first: ${kept[0]}); ` +
        '--force replaces them.',
    );
  for (const [label, count] of Object.entries(unknownLabels))
    note(`${count} objects with the unknown label "${label}" were made 255.`);
  if (faults.length > 0) note(`${faults.length} annotations have no label image:`);
  for (const { code, message } of faults) note(`  ${code}: ${message}`);
}
