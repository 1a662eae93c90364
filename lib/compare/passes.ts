/** The passes of a comparison: which network sees the images when, and where its outputs wait. */
import type { ClassSet } from '../data/class-set.js';
import { eachImage, type ImagePass } from '../model/each-image.js';
import { asSize } from '../model/image-size.js';
import { BatchRunner } from '../model/pass-size.js';
import type { SegmentationHead } from '../model/segmentation-head.js';
import type { SegmentationModel } from '../model/segmentation-model.js';
import { openHeadOf, openSegmenter, Segmenter } from '../model/segmenter.js';
import { engine } from '../native/engine.js';
import { withoutUndefined } from '../without-undefined.js';
import type { CompareOptions } from './compare-options.js';
import { assertSameClasses, type ComparedNetwork } from './compared-network.js';
import type { Comparison } from './comparison.js';
import { headOutputs, type HeadOutputs } from './head-outputs.js';
import { ImageSource, type ComparedImage, type LabelledImages } from './image-source.js';
import { KeptOutputs } from './kept-outputs.js';
import { Outcome } from './outcome.js';

/** Options of a comparison, with what was found out about it. */
export interface How extends CompareOptions {
  imageSize: number;
  /** Where a head file of B names it. */
  classSetOfB: ClassSet | undefined;
}

type Sides = readonly [a: ComparedNetwork, b: ComparedNetwork];
type Images = readonly string[] | LabelledImages;
type Seen = ImagePass<ComparedImage>;

/** Compares two heads of one network: each image passes through it once. @throws DinoSegError as `compare` */
export async function compareHeads([a, b]: Sides, images: Images, how: How): Promise<Comparison> {
  using first = await openSide(a, how);
  const { model, classSet } = first;
  const { classes, scoring, imageSize } = how;
  const other = await openHeadOf(model, { head: b.head, classes, scoring });
  using second = new Segmenter({ ...other, model, imageSize });
  assertSameClasses(classSet, second.classSet);
  const source = await ImageSource.open(images, classSet, how);
  const outcome = new Outcome(source, classSet, { ...how, networks: 1 });
  outcome.describe(0, a, first);
  outcome.describe(1, b, second);
  const walk = { source, how, runner: BatchRunner.of(model, asSize(imageSize), how) };
  const use = async (pass: Seen) => {
    using ofA = await headOutputs(first, pass, imageSize);
    using ofB = await headOutputs(second, pass, imageSize);
    const truths = [await truthOf(ofA, pass, classSet), await truthOf(ofB, pass, classSet)];
    return { truths, compared: await outcome.compared(pass.seen, ofA, ofB) };
  };
  for await (const { truths, compared } of walked(model, [first.head, second.head], walk, use)) {
    outcome.addTruth(0, truths[0]);
    outcome.addTruth(1, truths[1]);
    outcome.add(compared);
  }
  return outcome.finish(model);
}

/** Compares two networks, one after the other, so that one is in memory at a time. @throws DinoSegError as `compare` */
export async function compareNetworks([a, b]: Sides, images: Images, how: How): Promise<Comparison> {
  await using kept = await KeptOutputs.create();
  const first = await firstPass(a, images, kept, how);
  return await secondPass(b, first, kept, how);
}

/** Keeps the outputs of A. */
async function firstPass(a: ComparedNetwork, images: Images, kept: KeptOutputs, how: How) {
  using opened = await openSide(a, how);
  const { model, classSet } = opened;
  if (how.classSetOfB) assertSameClasses(classSet, how.classSetOfB);
  const source = await ImageSource.open(images, classSet, how);
  const outcome = new Outcome(source, classSet, { ...how, networks: 2 });
  outcome.describe(0, a, opened);
  const runner = BatchRunner.of(model, asSize(how.imageSize), how);
  const begun = runner.size;
  const use = async (pass: Seen) => {
    using outputs = await headOutputs(opened, pass, how.imageSize);
    await kept.put(pass.seen.place, outputs, source.places.length);
    return truthOf(outputs, pass, classSet);
  };
  for await (const truth of walked(model, [opened.head], { source, how, runner }, use)) {
    outcome.addTruth(0, truth);
    outcome.advance();
  }
  return { outcome, source, classSet, sizes: [begun, runner.size] };
}

/** Compares the outputs of B with what was kept. */
async function secondPass(
  b: ComparedNetwork,
  { outcome, source, classSet, sizes }: Awaited<ReturnType<typeof firstPass>>,
  kept: KeptOutputs,
  how: How,
): Promise<Comparison> {
  using opened = await openSide(b, how);
  const { model } = opened;
  assertSameClasses(classSet, opened.classSet);
  outcome.describe(1, b, opened);
  const runner = BatchRunner.of(model, asSize(how.imageSize), how);
  runner.size = Math.min(runner.size, sizes.at(-1)!);
  const begun = runner.size;
  const use = async (pass: Seen) => {
    using ofA = await kept.read(pass.seen.place);
    using ofB = await headOutputs(opened, pass, how.imageSize);
    return {
      truth: await truthOf(ofB, pass, classSet),
      compared: await outcome.compared(pass.seen, ofA, ofB),
    };
  };
  const walk = { source, how, runner };
  for await (const { truth, compared } of walked(model, [opened.head], walk, use)) {
    outcome.addTruth(1, truth);
    outcome.add(compared);
  }
  const all = new Set([...sizes, begun, runner.size]);
  if (all.size > 1)
    outcome.warn(
      `Passes had different sizes (${[...all].join(', ')} images), which rounds differently. Give --pass-size ${Math.min(...all)} ` +
        'to compare passes of one size.',
    );
  return outcome.finish(model);
}

function openSide(side: ComparedNetwork, how: How): Promise<Segmenter> {
  const { classes, scoring, imageSize, device, weights, gpuMemory, trustCode, timeout, signal } = how;
  const code = { trustCode, timeout };
  const loading = withoutUndefined({ classes, scoring, device, weights, gpuMemory, ...code, signal });
  return openSegmenter({ ...side, ...loading, imageSize });
}

/** What `use` gives for each of the images, in order. */
async function* walked<R>(
  model: SegmentationModel,
  heads: readonly SegmentationHead[],
  { source, how, runner }: { source: ImageSource; how: How; runner: BatchRunner },
  use: (pass: Seen) => Promise<R>,
): AsyncGenerator<R, void, void> {
  const { imageSize, signal } = how;
  const groups = source.groups({ size: runner.size, devices: model.devices.length, signal });
  for await (const results of eachImage(model, heads, groups, { imageSize, runner, signal }, use))
    for (const result of results) {
      signal?.throwIfAborted();
      yield result;
    }
}

/** Counts of the class map by the labels, rows truth; undefined without labels. */
async function truthOf({ map }: HeadOutputs, { labels }: Seen, { classes }: ClassSet) {
  return labels && (await engine().confusion(map.handle, labels.handle, classes.length));
}
