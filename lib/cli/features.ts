import { extname } from 'node:path';
import { extractTable, type ExtractionSummary } from '../features/extract-table.js';
import { featureSetNames, flavours } from '../features/feature-set.js';
import { withGps } from '../features/gps.js';
import { formulaStyles } from '../features/csv.js';
import { columnOrders, nameStyles } from '../features/identity.js';
import { flagsText } from '../features/quality-report.js';
import { filesOf } from '../features/table-files.js';
import { leftOutText } from '../images/left-out.js';
import { imagesOfPaths, type ImageList } from '../images/images-of-paths.js';
import { imagesOfManifest } from '../features/manifest.js';
import { openFeatureExtractor, type FeatureExtractorOptions } from '../features/open-extractor.js';
import { listPanoramaViews } from '../features/reading.js';
import { panoramaRows } from '../model/panorama.js';
import { shardPath, shardPattern } from '../shard.js';
import { counted, formatRate, formatSeconds } from '../text.js';
import { withoutUndefined } from '../without-undefined.js';
import { camelCased, command } from './command.js';
import { complain, imageProgress, next, note, print, printJson, warn } from './output.js';
import { UsageError, type Flags, type FlagValues } from './parse.js';
import { panoramaFlags, panoramaOf } from './panorama-flags.js';
import { partOf, shardFlag } from './shard.js';
import { images, jsonFlag, maxPixelsFlag, passSizeFlag, placementFlags } from './shared-flags.js';
import { meansText } from './text.js';

const extractorFlags = {
  model: {
    type: 'text',
    value: 'FILE',
    required: true,
    help: 'TorchScript file of the segmentation network',
  },
  head: { type: 'text', value: 'FILE', help: 'fine-tuned head, for the flavours idd26 and idd26-head' },
  detector: {
    type: 'text',
    value: 'FILE',
    help: 'TorchScript file of the detection network (without it, no counts)',
  },
  set: {
    type: 'text',
    choices: featureSetNames,
    help: '36: 26 percentages and 10 counts (default); 230: 150 percentages and 80 counts',
  },
  flavour: {
    type: 'text',
    choices: flavours,
    help: 'source of the 26 percentages. idd26: both heads (default with --head); idd26-head: the fine-tuned head (default for a backbone alone); ade26: sums of ADE20K classes (default without --head)',
  },
  aggregation: {
    type: 'text',
    value: 'FILE',
    help: 'JSON file with your own sums of classes, instead of a flavour',
  },
  soft: { type: 'boolean', help: 'compute percentages from the scores instead of the class map' },
  threshold: {
    type: 'number',
    least: 0,
    most: 1,
    value: 'X',
    help: 'minimum score of a counted object (default 0.5)',
  },
  'image-size': {
    type: 'integer',
    least: 1,
    value: 'N',
    help: 'input width and height of the segmentation network in pixels, a multiple of 32 (default: as in the training of the head, else 512)',
  },
  'detector-size': {
    type: 'integer',
    least: 1,
    value: 'N',
    help: 'input width and height of the detection network in pixels, a multiple of 16 (default 768)',
  },
  'no-shared-backbone': {
    type: 'boolean',
    help: 'load both backbones, for a detector with a different one; needs the memory of both',
  },
  'count-size': {
    type: 'number',
    above: 0,
    value: 'X',
    help: 'megapixels at which pixels are counted; larger images are reduced to it (default 4)',
  },
  ...maxPixelsFlag,
  ...placementFlags,
  'pass-size': {
    ...passSizeFlag['pass-size'],
    help: 'images per forward pass (default: up to 8, depending on GPU memory; 1 on the CPU)',
  },
} as const satisfies Flags;

const tableFlags = {
  output: { type: 'text', value: 'T', required: true, help: 'table to write: .csv, .parquet or .geojson' },
  manifest: {
    type: 'text',
    value: 'FILE',
    help: 'CSV file that lists the images; its other columns are copied to the table',
  },
  columns: {
    type: 'text',
    choices: columnOrders,
    help: 'order of the columns. id-first: id, columns of the manifest, features (default); features-first: features, columns of the manifest, no id',
  },
  names: {
    type: 'text',
    choices: nameStyles,
    help: 'names of the columns. plain: as they are (default); sql: lower-case letters, digits and underscores',
  },
  'csv-formulas': {
    type: 'text',
    choices: formulaStyles,
    help: "ids and texts of the manifest that a spreadsheet would compute, such as =1+1, in CSV. text: with ' before them (default); keep: as they are",
  },
  gps: {
    type: 'text',
    choices: ['exif'],
    help: 'exif: add the columns lat and lon, from the GPS data in the images',
  },
  extend: {
    type: 'boolean',
    help: 'extend a table that was made of other images: keep the rows of unchanged images, add new ones, remove those of images that are not listed any more',
  },
  'image-column': { type: 'text', value: 'NAME', help: 'manifest column with image paths (default: image)' },
  'id-column': {
    type: 'text',
    value: 'NAME',
    help: 'manifest column that identifies an image (default: id if present, else the path)',
  },
  ...panoramaFlags,
  'panorama-rows': {
    type: 'text',
    choices: panoramaRows,
    help: 'view: a row for each view of a panorama (default); mean: one for each panorama, with means of percentages and sums of counts',
  },
  threads: {
    type: 'integer',
    least: 1,
    value: 'N',
    help: 'images decoded in parallel (default: number of cores, max 4)',
  },
  ...shardFlag('`merge`'),
  strict: { type: 'boolean', help: 'stop at the first image that cannot be read' },
  'drop-flagged': {
    type: 'boolean',
    help: 'leave out images that are tiny, uniform, mostly transparent or duplicates (see T_csv_files/quality.tsv)',
  },
  coco: { type: 'text', value: 'FILE', help: 'COCO JSON file to write, with the detected boxes' },
  visualize: {
    type: 'integer',
    least: 0,
    value: 'N',
    help: 'number of images to draw with their boxes and largest percentages',
  },
} as const satisfies Flags;

const flags = { ...tableFlags, ...extractorFlags, ...jsonFlag } as const satisfies Flags;

export default command({
  name: 'features',
  summary: 'Writes a table of features, one row per image: percentages of classes and counts of objects.',
  positionals: { ...images, least: 0 },
  flags,
  notes:
    'To continue a stopped run, give the same command again; if images were added, replaced or removed, with --extend. T_csv_files/failures.tsv lists the images that failed. ' +
    'With --shard auto, part 3 of 8 of T.csv is written to T-00003-of-00008.csv.',
  stoppable: true,
  goesOn: true,
  async run({ flags, positionals, signal }) {
    const { threads, strict, visualize, json, 'drop-flagged': dropFlagged } = flags;
    if (flags.coco !== undefined && flags.detector === undefined)
      throw new UsageError('--coco needs a detector: add --detector FILE.');
    const { shard, device, isLaunched } = partOf(flags.shard, flags.device);
    const own = (path: string) => (isLaunched ? shardPath(path, shard!, extname(path)) : path);
    const output = own(flags.output);
    const coco = flags.coco === undefined ? undefined : own(flags.coco);
    const panorama = panoramaOf(flags);
    const rows = flags['panorama-rows'];
    if (rows !== undefined && !panorama) throw new UsageError('--panorama-rows needs --panorama.');
    if (rows === 'mean' && coco !== undefined)
      throw new UsageError('--coco needs a row for each view: leave out --panorama-rows mean.');
    const listed = await imagesOf(flags, positionals);
    const beside = listed.leftOut && leftOutText(listed.leftOut);
    if (beside !== undefined) note(`left out: ${beside}`);
    const { onProgress } = imageProgress('coordinates');
    const placed = flags.gps === 'exif' ? await withGps(listed, { signal, onProgress }) : listed;
    const list = panorama && rows !== 'mean' ? listPanoramaViews(placed, panorama) : placed;
    const hooks = imageProgress('features');
    const { columns, names, extend, 'csv-formulas': csvFormulas } = flags;
    const how = withoutUndefined({
      ...{ shard, threads, strict, dropFlagged, coco, visualize },
      ...{ columns, names, extend, csvFormulas },
    });
    await using extractor = await openFeatureExtractor({
      ...extractorOptions({ ...flags, device }, signal, hooks.onLog),
      ...withoutUndefined({ panorama, panoramaRows: rows }),
    });
    const summary = await extractTable(extractor, list, { output, signal, ...how, ...hooks });
    report(summary, json);
    if (shard) {
      const parts = isLaunched ? shardPattern(flags.output, shard.count, extname(flags.output)) : 'PART…';
      next(`when all parts are done: dinov3-seg merge --output ${isLaunched ? flags.output : 'T'} ${parts}`);
    }
    // Some failed images are a result; a table without rows is a failure.
    return (summary.rows === 0 && summary.failures.length > 0) || summary.reportError ? 1 : 0;
  },
});

async function imagesOf(
  { manifest, 'image-column': imageColumn, 'id-column': idColumn }: FlagValues<typeof tableFlags>,
  positionals: string[],
): Promise<ImageList> {
  if (manifest === undefined) {
    if (positionals.length === 0)
      throw new UsageError('Missing IMAGE… or --manifest FILE: the images of the table.');
    if (imageColumn !== undefined || idColumn !== undefined)
      throw new UsageError('--image-column and --id-column need a manifest: add --manifest FILE.');
    return imagesOfPaths(positionals);
  }
  if (positionals.length > 0)
    throw new UsageError(
      `Give images by --manifest or as arguments, not both; "${positionals[0]}" is an argument.`,
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
  const { output, rows, failures, dropped, extracted, seconds, imagesPerSecond, waitingShare, means } =
    summary;
  if (json) printJson(summary);
  else print(`${meansText(means)}\n\n${output}: ${counted(rows, 'row')}`);
  if (imagesPerSecond !== null && waitingShare !== null)
    note(
      `${counted(extracted, 'image')} in ${formatSeconds(seconds)}, ${formatRate(imagesPerSecond)} images/s; ` +
        `${(100 * waitingShare).toFixed(1)} % of the time was spent waiting for decoded images.`,
    );
  const flagged = flagsText(summary.flagged);
  if (flagged !== '')
    note(
      `${dropped > 0 ? `${counted(dropped, 'image')} left out` : 'marked'}: ${flagged}; see ${filesOf(output).quality}.`,
    );
  if (failures.length > 0)
    warn(`${counted(failures.length, 'image')} failed; see ${filesOf(output).failures}.`);
  if (reportError) complain(reportError);
}
