/** The whole job on built-in data: the shipped small network, drawn scenes, heads from three seeds, predictions, features, a report. */
import { existsSync } from 'node:fs';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import {
  callback,
  checkOptions,
  listOf,
  needed,
  number,
  signal as signalKind,
  text,
  type OptionKinds,
} from '../arguments.js';
import { loadClassSet } from '../data/class-sets.js';
import { SegmentationDataset } from '../data/dataset.js';
import { DinoSegError } from '../errors.js';
import { extractTable } from '../features/extract-table.js';
import { countedClasses } from '../features/feature-set.js';
import { imagesOfPaths } from '../images/images-of-paths.js';
import { openFeatureExtractor } from '../features/open-extractor.js';
import type { FeatureMean } from '../features/write-outputs.js';
import { atomicWriteFile, makeFolder, readError, writeError } from '../files.js';
import { counted } from '../text.js';
import { openHead } from '../model/open-head.js';
import { SegmentationModel } from '../model/segmentation-model.js';
import { writeReport } from '../report/html/page.js';
import { evaluate } from '../evaluate/evaluate.js';
import { predict } from '../predict/predict.js';
import { judgeCounts, meanErrors, type CountedObjects } from './counted-objects.js';
import { demoReport, meanOf } from './demo-report.js';
import { headWays, judgeHeads, wayTexts, type JudgedSeed } from './judged-heads.js';
import {
  streetSmallCounting,
  streetSmallPassSize as passSize,
  streetSmallSize as imageSize,
  writeStreetSmall,
  writeStreetSmallDetector,
} from './network.js';
import { checkSceneCounts, shippedCounts, writeShippedScenes } from './shipped-scenes.js';

/** Options of {@link runDemo}. */
export interface DemoOptions {
  /** Output folder. The folder of an earlier demo is replaced. */
  out: string;
  /** Number of training scenes, 1 to 100 (all that the package contains). Default: 100. */
  train?: number;
  /** Number of validation scenes, which choose the best epoch, 1 to 24. Default: 24. */
  val?: number;
  /** Number of unseen scenes, on which all results are measured, 1 to 36. Default: 36. */
  unseen?: number;
  /** Training epochs of each head. Default: 20. */
  epochs?: number;
  /** Seeds of the initial weights and the order of the scenes; a head is trained for each. Default: 1, 2, 3. */
  seeds?: readonly number[];
  /** Stops the demo between two steps. Files that are already written stay in `out`. */
  signal?: AbortSignal;
  /** Called with one line of text for each step. */
  onLog?: (line: string) => void;
}

const demoOptions: OptionKinds<DemoOptions> = {
  out: needed(text),
  train: number,
  val: number,
  unseen: number,
  epochs: number,
  seeds: listOf(number),
  signal: signalKind,
  onLog: callback(),
};

const predictedScenes = 3;
const marker = 'Made by `dinov3-seg demo`: nothing in this folder is real data.';

/**
 * Runs the demo: trains heads on drawn street scenes, evaluates them, and writes predictions, a feature table and a report.
 *
 * @returns a summary of the results and the written files, as text.
 * @throws DinoSegError INVALID_ARGUMENT for more scenes than the package contains; RUN if `out` contains anything but an earlier
 *   demo; ABORTED; the errors of the steps.
 */
export async function runDemo(options: DemoOptions): Promise<string> {
  checkOptions(options, demoOptions, 'runDemo()');
  const { signal, onLog = () => {}, epochs = 20, seeds = [1, 2, 3] } = options;
  const { train = shippedCounts.train, val = shippedCounts.val } = options;
  const { unseen: unseenCount = shippedCounts.unseen } = options;
  checkSceneCounts({ train, val, unseen: unseenCount });
  const started = performance.now();
  const seconds = () => (performance.now() - started) / 1000;
  const out = resolve(options.out);
  const at = (...parts: string[]) => join(out, ...parts);
  await startFolder(out);

  onLog('network: street-small, with the structure of DINOv3 and Mask2Former, trained only on drawn streets');
  await writeStreetSmall(at('model.pt'), signal);
  onLog(`data: ${train + val + unseenCount} drawn street scenes`);
  await writeShippedScenes(at('data'), 'data', { train, val }, signal);
  await writeShippedScenes(at('unseen'), 'unseen', { val: unseenCount }, signal);

  const stop = signal && { signal };
  using model = await SegmentationModel.load(at('model.pt'), { device: 'cpu' });
  const unseen = await SegmentationDataset.open(at('unseen'), 'val', await loadClassSet('idd26'));
  const inAde = await SegmentationDataset.open(at('unseen'), 'val', await loadClassSet('ade150'));
  const own = await evaluate(model, model.ownHead(), inAde, { imageSize, passSize, ...stop });
  onLog(`mIoU of its own ADE20K classes on unseen scenes: ${share(own.mIoU)}`);
  onLog(
    `caching the network's outputs, then training heads for 26 classes from ${counted(seeds.length, 'seed')}`,
  );
  const judged = await judgeHeads({
    ...{ model, data: at('data'), unseen, folder: at('runs'), seeds, epochs, imageSize, passSize },
    hooks: { onLog, ...stop },
  });
  const measured = judged.map(({ seed, evaluations }) => ({ seed, ...evaluations }));
  const headFile = judged[0]!.heads.trained;
  using head = await openHead(headFile, { device: model.device });
  const pictures = unseen.pairs.slice(0, predictedScenes).map(({ image }) => image);
  const { classSet } = unseen;
  await predict(model, pictures, { head, classSet, imageSize, output: at('predictions'), ...stop });
  onLog(
    'writing a feature table: percentages by the head of the first seed, object counts by a detector with the same backbone',
  );
  const { means, objects } = await makeFeatures({ out, unseen, head: headFile, ...stop });
  const evaluation = { own, seeds: measured, objects };
  await atomicWriteFile(at('evaluation.json'), `${JSON.stringify(evaluation, null, 2)}\n`);
  const results = { model, unseen, imageSize, own, seeds: judged, means, objects, signal };
  await writeReport(at('report.html'), await demoReport(results, seconds()));
  return summary(out, judged, objects, seconds());
}

/** Writes the feature table of the unseen scenes and compares its counts with the drawn objects. */
async function makeFeatures(options: {
  out: string;
  unseen: SegmentationDataset;
  head: string;
  signal?: AbortSignal;
}): Promise<{ means: readonly FeatureMean[]; objects: CountedObjects[] }> {
  const { out, unseen, head, signal } = options;
  const stop = signal && { signal };
  const at = (name: string) => join(out, name);
  const [detector, table] = [at('detector.pt'), at('features.csv')];
  await writeStreetSmallDetector(detector, signal);
  await using extractor = await openFeatureExtractor({
    ...{ model: at('model.pt'), head, imageSize, detector, ...streetSmallCounting, ...stop },
  });
  const paths = unseen.pairs.map(({ image }) => image);
  const { means } = await extractTable(extractor, await imagesOfPaths(paths), {
    ...{ output: table, visualize: predictedScenes, strict: true, ...stop },
  });
  const columns = [{ name: 'id', kind: 'text' as const }, ...extractor.columns];
  const classes = countedClasses('36');
  const objects = await judgeCounts({
    table,
    columns,
    classes,
    root: join(out, 'unseen'),
    split: 'val',
    images: paths,
  });
  return { means, objects };
}

async function startFolder(out: string): Promise<void> {
  try {
    if (existsSync(out)) await clear(out);
    await makeFolder(out);
    await writeFile(join(out, 'README.txt'), `${marker}\n`);
  } catch (cause) {
    throw writeError(out, cause);
  }
}

async function clear(out: string): Promise<void> {
  const names = await readdir(out).catch((cause: unknown) => {
    throw readError(out, cause);
  });
  const own =
    names.includes('README.txt') && (await readFile(join(out, 'README.txt'), 'utf8')).startsWith(marker);
  if (!own && names.length > 0)
    throw new DinoSegError(
      'RUN',
      `${out} contains other files (${names.slice(0, 4).join(', ')}). Choose a new or empty folder with --out.`,
    );
  await rm(out, { recursive: true, force: true });
}

function share(value: number | null): string {
  return value === null ? '–' : `${(100 * value).toFixed(1)} %`;
}

function summary(
  out: string,
  seeds: readonly JudgedSeed[],
  objects: readonly CountedObjects[],
  seconds: number,
): string {
  const { error, errorOfMean } = meanErrors(objects);
  const row = (name: string, values: readonly string[]) =>
    name.padEnd(28) + values.map((value) => value.padStart(9)).join('');
  return [
    'The network and the street scenes are synthetic. The results show that the method works; they say nothing about photographs.',
    '',
    "mIoU on unseen scenes, IDD's 26 classes:",
    row('', [...seeds.map(({ seed }) => `seed ${seed}`), 'mean']),
    ...headWays.map((way) =>
      row(wayTexts[way], [
        ...seeds.map(({ evaluations }) => share(evaluations[way].mIoU)),
        share(meanOf(seeds, way)),
      ]),
    ),
    '',
    `Object counts of ${objects.length} classes: mean error ${error.toFixed(2)} per scene and class; ${errorOfMean.toFixed(2)} for always predicting the mean.`,
    '',
    `Done in ${seconds.toFixed(0)} s. Results in ${out}:`,
    '  report.html                    all results on one page, with pictures to compare',
    '  predictions/*/comparison.png   unseen scenes next to their segmentation',
    '  features.csv                   36 features per scene: class percentages and object counts',
    '  features_csv_files/overlays/   scenes with the counted objects',
    '  runs/class_embed-*             run folders: heads, metrics, reports, TensorBoard events',
    '  evaluation.json                IoU of every class, errors of the object counts',
    '  data/, unseen/                 the scenes with their label images',
  ].join('\n');
}
