import { extractTable, type ExtractionSummary } from '../features/extract-table.js';
import { featureSetNames, flavours } from '../features/feature-set.js';
import { filesOf } from '../features/table-files.js';
import { imagesOfPaths, type ImageList } from '../images/images-of-paths.js';
import { imagesOfManifest } from '../features/manifest.js';
import { openFeatureExtractor, type FeatureExtractorOptions } from '../features/open-extractor.js';
import { parseShard } from '../features/shard.js';
import { counted, formatRate, formatSeconds } from '../text.js';
import { withoutUndefined } from '../without-undefined.js';
import { camelCased, command } from './command.js';
import { complain, imageProgress, next, note, print, printJson, warn } from './output.js';
import { UsageError, type Flags, type FlagValues } from './parse.js';
import { images, jsonFlag, passSizeFlag, placementFlags } from './shared-flags.js';
import { meansText } from './text.js';

const extractorFlags = {
  model: {
    type: 'text',
    value: 'FILE',
    required: true,
    help: 'the segmentation network, a TorchScript file',
  },
  head: { type: 'text', value: 'FILE', help: 'the fine-tuned head, for the flavours idd26 and idd26-head' },
  detector: { type: 'text', value: 'FILE', help: 'the detection network (without it: no counts)' },
  set: {
    type: 'text',
    choices: featureSetNames,
    help: '26 percentages and 10 counts (default), or 150 and 80',
  },
  flavour: {
    type: 'text',
    choices: flavours,
    help: "of the 26 percentages: both heads (default with --head), the fine-tuned head's own, or sums of ADE20K's (default without)",
  },
  aggregation: {
    type: 'text',
    value: 'FILE',
    help: 'sums of classes of your own, as JSON, in place of a flavour',
  },
  soft: { type: 'boolean', help: 'percentages from scores in place of the class map' },
  threshold: {
    type: 'number',
    least: 0,
    most: 1,
    value: 'X',
    help: 'least score of an object that counts (default 0.5)',
  },
  'image-size': {
    type: 'integer',
    least: 1,
    value: 'N',
    help: "width and height of the segmentation network's input, a multiple of 32 (default: that of the head's training, else 512)",
  },
  'detector-size': {
    type: 'integer',
    least: 1,
    value: 'N',
    help: "width and height of the detection network's input, a multiple of 16 (default 768)",
  },
  'no-shared-backbone': {
    type: 'boolean',
    help: 'for a detector with another backbone: both are loaded, in the memory of two',
  },
  ...placementFlags,
  'pass-size': {
    ...passSizeFlag['pass-size'],
    help: "images that go through the network together (default: up to 8 by the GPU's memory; on the CPU 1)",
  },
} as const satisfies Flags;

const tableFlags = {
  output: { type: 'text', value: 'T', required: true, help: 'the table, .csv or .parquet' },
  manifest: {
    type: 'text',
    value: 'FILE',
    help: 'a CSV file that lists images; its other columns are taken over',
  },
  'image-column': { type: 'text', value: 'NAME', help: 'of the manifest: paths of images (default image)' },
  'id-column': {
    type: 'text',
    value: 'NAME',
    help: 'of the manifest: what tells images (default id, else the path)',
  },
  threads: {
    type: 'integer',
    least: 1,
    value: 'N',
    help: 'images decoded at a time (default: cores, at most 4)',
  },
  shard: { type: 'text', value: 'I/N', help: 'makes the I-th of N parts; `merge` puts them together' },
  strict: { type: 'boolean', help: 'ends at the first image that cannot be read' },
  coco: { type: 'text', value: 'FILE', help: 'gets the boxes as COCO JSON' },
  visualize: {
    type: 'integer',
    least: 0,
    value: 'N',
    help: 'draws boxes and the largest percentages over N of the images',
  },
} as const satisfies Flags;

const flags = { ...tableFlags, ...extractorFlags, ...jsonFlag } as const satisfies Flags;

export default command({
  name: 'features',
  summary: 'A table of features, a row an image: percentages of classes and counts of objects.',
  positionals: { ...images, least: 0 },
  flags,
  notes:
    'Stopped or killed, it goes on with the same command. Images without a row are in T_csv_files/failures.tsv.',
  stoppable: true,
  goesOn: true,
  async run({ flags, positionals, signal }) {
    const list = await imagesOf(flags, positionals);
    const { output, shard, threads, strict, coco, visualize, json } = flags;
    if (coco !== undefined && flags.detector === undefined)
      throw new UsageError('--coco takes the boxes of a detector: give --detector FILE.');
    const hooks = imageProgress('features');
    const given = withoutUndefined({ threads, strict, coco, visualize });
    const part = shard === undefined ? {} : { shard: parseShard(shard) };
    await using extractor = await openFeatureExtractor(extractorOptions(flags, signal, hooks.onLog));
    const summary = await extractTable(extractor, list, { output, signal, ...part, ...given, ...hooks });
    report(summary, json);
    if (shard !== undefined) next(`when all parts are there: dinov3-seg merge --output T PART…`);
    // Images that cannot be read are an outcome; a table of nothing is none.
    return (summary.rows === 0 && summary.failures.length > 0) || summary.reportError ? 1 : 0;
  },
});

async function imagesOf(
  { manifest, 'image-column': imageColumn, 'id-column': idColumn }: FlagValues<typeof tableFlags>,
  positionals: string[],
): Promise<ImageList> {
  if (manifest === undefined) {
    if (positionals.length === 0)
      throw new UsageError('IMAGE… or --manifest FILE is missing: what to make a table of.');
    if (imageColumn !== undefined || idColumn !== undefined)
      throw new UsageError(
        '--image-column and --id-column name columns of a manifest: give --manifest FILE.',
      );
    return imagesOfPaths(positionals);
  }
  if (positionals.length > 0)
    throw new UsageError(
      `Images come from --manifest or as arguments, not both; "${positionals[0]}" was given.`,
    );
  return imagesOfManifest(manifest, withoutUndefined({ imageColumn, idColumn }));
}

function extractorOptions(
  flags: FlagValues<typeof extractorFlags>,
  signal: AbortSignal,
  onLog: (line: string) => void,
): FeatureExtractorOptions {
  const { 'no-shared-backbone': apart, ...others } = flags;
  const names = Object.keys(extractorFlags).filter((name) => name !== 'no-shared-backbone');
  const given = Object.fromEntries(names.map((name) => [name, others[name as keyof typeof others]]));
  const shared = apart === true ? { sharedBackbone: false } : {};
  // Names and types are those of the flags, checked when they were read.
  const options = camelCased(withoutUndefined(given)) as unknown as FeatureExtractorOptions;
  return { ...options, ...shared, signal, onLog };
}

function report({ reportError, ...summary }: ExtractionSummary, json: boolean | undefined): void {
  const { output, rows, failures, extracted, seconds, imagesPerSecond, waitingShare, means } = summary;
  if (json) printJson(summary);
  else print(`${meansText(means)}\n\n${output}: ${counted(rows, 'row')}`);
  if (imagesPerSecond !== null && waitingShare !== null)
    note(
      `${counted(extracted, 'image')} in ${formatSeconds(seconds)}, ${formatRate(imagesPerSecond)} images/s; ` +
        `${(100 * waitingShare).toFixed(1)} % of it waiting for images to be decoded.`,
    );
  if (failures.length > 0)
    warn(`${counted(failures.length, 'image')} failed; see ${filesOf(output).failures}.`);
  if (reportError) complain(reportError);
}
