/** A picture of many images next to their coloured labels, which shows at a glance whether they belong together. */
import {
  checkArgument,
  checkOptions,
  kind,
  number,
  signal as signalKind,
  type OptionKinds,
} from '../arguments.js';
import { classSetKind } from '../data/argument-kinds.js';
import type { ClassInfo, ClassSet } from '../data/class-set.js';
import { SegmentationDataset } from '../data/dataset.js';
import { composeSvg, encodePng, type RgbImage } from '../data/decode.js';
import { previewOf, spread } from '../data/preview.js';
import { DinoSegError } from '../errors.js';
import { colorize } from './colorize.js';
import { endThatFits, textPath } from './text-path.js';

const cell = { width: 240, height: 160 };
const gap = 8;
const letter = 13;
const caption = 20;
const columns = 4;
const legendWidth = 200;
const sheetWidth = columns * (2 * cell.width + gap) + gap;
const paper = 255;

const splitsKind = kind<ReadonlyMap<string, SegmentationDataset>>(
  'a Map of SegmentationDatasets by the names of their splits',
  (value) =>
    value instanceof Map &&
    [...(value as Map<unknown, unknown>).values()].every((one) => one instanceof SegmentationDataset),
);
const sheetOptions: OptionKinds<{ most?: number; signal?: AbortSignal }> = {
  most: number,
  signal: signalKind,
};

/** A pair on the sheet. */
interface Tile {
  caption: string;
  image: RgbImage;
  /** RGB, of the image's size. */
  label: Uint8Array;
}

/** Copies an image into the sheet. */
function paste(
  sheet: RgbImage,
  data: Uint8Array,
  size: { width: number; height: number },
  x: number,
  y: number,
): void {
  const row = 3 * size.width;
  for (let line = 0; line < size.height; line++)
    (sheet.data as Uint8Array).set(
      data.subarray(line * row, (line + 1) * row),
      3 * ((y + line) * sheet.width + x),
    );
}

function text(x: number, y: number, content: string, width: number): string {
  return textPath(endThatFits(content, letter, width), { x, y, size: letter });
}

function legend(classes: readonly ClassInfo[], top: number): { svg: string; height: number } {
  const perRow = Math.floor((sheetWidth - gap) / legendWidth);
  const parts = classes.map(({ name, color }, i) => {
    const [x, y] = [gap + (i % perRow) * legendWidth, top + Math.floor(i / perRow) * caption];
    const swatch = `<rect x="${x}" y="${y + 3}" width="${letter}" height="${letter}" fill="rgb(${color.join()})" stroke="#111" stroke-width="0.5"/>`;
    return swatch + text(x + 1.5 * letter, y + caption - 6, name, legendWidth - 2 * letter);
  });
  return { svg: parts.join(''), height: Math.ceil(classes.length / perRow) * caption };
}

/** Readable pairs, spread evenly over a data set. @throws the signal's reason; errors other than those of the files */
async function tilesOf(
  split: string,
  dataset: SegmentationDataset,
  most: number,
  present: Set<number>,
  signal?: AbortSignal,
): Promise<Tile[]> {
  const wanted = Math.min(most, dataset.length);
  const places = spread(dataset.length, 3 * wanted);
  // Every third place first. The others replace unreadable pairs, which `data check` reports.
  const tries = [0, 1, 2].flatMap((round) => places.filter((_, i) => i % 3 === round));
  const tiles: (Tile & { index: number })[] = [];
  for (const index of tries) {
    if (tiles.length === wanted) break;
    signal?.throwIfAborted();
    try {
      const sample = await dataset.load(index);
      const { image, label } = await previewOf(sample, cell);
      for (const value of label) present.add(value);
      const colored = colorize(label, dataset.classSet);
      tiles.push({ index, caption: `${split} ${sample.name}`, image, label: colored });
    } catch (error) {
      if (!(error instanceof DinoSegError)) throw error;
    }
  }
  return tiles.sort((a, b) => a.index - b.index);
}

/**
 * Draws a contact sheet: images next to their labels in the classes' colours, with the images' names and a legend of the
 * classes that occur. Unreadable pairs are left out.
 *
 * @param datasets data sets of one class set, by the names of their splits.
 * @param classSet class set of the labels.
 * @param options.most max number of pairs, shared among the splits. Default: 24.
 * @param options.signal stops the drawing.
 * @returns a PNG file; null if no pair can be read.
 * @throws DinoSegError INVALID_ARGUMENT and errors of encoding; the signal's reason.
 */
export async function contactSheet(
  datasets: ReadonlyMap<string, SegmentationDataset>,
  classSet: ClassSet,
  options: { most?: number; signal?: AbortSignal } = {},
): Promise<Buffer | null> {
  checkArgument(datasets, splitsKind, 'contactSheet(datasets)');
  checkArgument(classSet, classSetKind, 'contactSheet(classSet)');
  checkOptions(options, sheetOptions, 'contactSheet()');
  const { most = 24, signal } = options;
  const present = new Set<number>();
  const tiles: Tile[] = [];
  for (const [split, dataset] of datasets) {
    const share = Math.max(1, Math.floor(most / datasets.size));
    tiles.push(...(await tilesOf(split, dataset, share, present, signal)));
  }
  if (tiles.length === 0) return null;
  const rowHeight = cell.height + caption + gap;
  const top = Math.ceil(tiles.length / columns) * rowHeight + gap;
  const colours = legend(
    classSet.classes.filter(({ index }) => present.has(index)),
    top,
  );
  const height = top + colours.height + gap;
  const sheet = { data: new Uint8Array(3 * sheetWidth * height).fill(paper), width: sheetWidth, height };
  const captions = tiles.map(({ caption: name, image, label }, i) => {
    const [x, y] = [gap + (i % columns) * (2 * cell.width + gap), gap + Math.floor(i / columns) * rowHeight];
    paste(sheet, image.data, image, x, y);
    paste(sheet, label, image, x + image.width, y);
    return text(x, y + image.height + caption - 6, name, 2 * cell.width);
  });
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${sheetWidth}" height="${height}">${captions.join('')}${colours.svg}</svg>`;
  const { data } = await composeSvg(sheet, svg);
  return encodePng(data, sheetWidth, height, 3);
}
