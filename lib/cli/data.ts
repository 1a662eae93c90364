import { checkData } from '../data/check.js';
import { loadClassSet } from '../data/class-sets.js';
import { SegmentationDataset } from '../data/dataset.js';
import { atomicWriteFile } from '../files.js';
import { leftOutText } from '../images/left-out.js';
import { contactSheet } from '../report/contact-sheet.js';
import { command } from './command.js';
import { imageProgress, next, note, print, printJson } from './output.js';
import { UsageError, type FlagValues } from './parse.js';
import { dataFlags, jsonFlag, readingOf } from './shared-flags.js';
import { dataCheckText } from './text-data.js';

const defaultClasses = 'idd26';

export default command({
  name: 'data',
  summary:
    'Checks labelled images: counts pairs, classes and pixels, and finds faults that would stop a training.',
  positionals: {
    name: 'check DIR',
    help: 'check: read every image and label; DIR: folder of the data set (docs/data.md), or a list of pairs',
    least: 2,
    most: 2,
  },
  flags: {
    classes: {
      type: 'text',
      value: 'C',
      default: defaultClasses,
      help: 'class set: idd26, idd26-reference, idd7, cityscapes19, vistas65, vistas124, ade150 or FILE.json',
    },
    ...dataFlags,
    sheet: {
      type: 'text',
      value: 'FILE.png',
      help: 'contact sheet to write: 24 images next to their coloured labels',
    },
    ...jsonFlag,
  },
  notes: 'The exit code is 1 if faults are found.',
  stoppable: true,
  async run({ flags, positionals: [action, data], signal }) {
    if (action !== 'check') throw new UsageError(`data expects check, not "${action}".`);
    const { classes, sheet, json } = flags;
    const classSet = await loadClassSet(classes);
    const reading = readingOf(flags);
    const { onProgress } = imageProgress('checking');
    const result = await checkData(data!, classSet, { ...reading, signal, onProgress });
    for (const { split, leftOut } of result.splits) {
      const beside = leftOutText(leftOut);
      if (beside !== undefined) note(`${split}: left out: ${beside}`);
    }
    if (json) printJson(result);
    else print(dataCheckText(result));
    if (sheet !== undefined) {
      const datasets = new Map<string, SegmentationDataset>();
      for (const { split } of result.splits)
        datasets.set(split, await SegmentationDataset.open(data!, split, classSet, reading));
      const picture = await contactSheet(datasets, classSet, { signal });
      if (picture) await atomicWriteFile(sheet, picture);
      note(picture ? `contact sheet: ${sheet}` : 'no contact sheet was written: no pair can be read');
    }
    if (result.faults.length > 0) return 1;
    next(`dinov3-seg train --model M --data ${data}${givenFlags(flags)} --out RUN`);
    return 0;
  },
});

/** The flags that say how the data are read, as they were given: training needs the same. */
function givenFlags({ classes, ...flags }: FlagValues<typeof dataFlags> & { classes: string }): string {
  const given = Object.entries({ ...(classes !== defaultClasses && { classes }), ...flags })
    .filter(([name, value]) => value !== undefined && (name === 'classes' || Object.hasOwn(dataFlags, name)))
    .map(([name, value]) => ` --${name} ${/^[\w./-]+$/.test(String(value)) ? value : `'${value}'`}`);
  return given.join('');
}
