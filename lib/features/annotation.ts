/** Annotations on a picture for viewing: boxes with names, and lines of text below the picture. */
import { composeSvg, resizeImage, type RgbImage } from '../data/decode.js';
import type { Detection } from '../model/detections.js';
import { textPath, textWidth } from '../report/text-path.js';

/** Minimum of the shorter side of an annotated picture in pixels: names are then legible and leave most of it free. */
const shortestSide = 480;
/** Maximum of the longer side in pixels, for long, thin pictures. */
const longestSide = 4096;
const lineHeight = 1.3;

interface Size {
  width: number;
  height: number;
}

interface Area extends Size {
  x: number;
  y: number;
}

/** A box's name and where it stands. */
export interface BoxLabel extends Area {
  text: string;
}

/** Integer factor by which a small picture is enlarged before annotation; 1 for others. */
export function enlargement({ width, height }: Size): number {
  const wanted = Math.ceil(shortestSide / Math.min(width, height));
  return Math.max(1, Math.min(wanted, Math.floor(longestSide / Math.max(width, height))));
}

/** Height of letters on a picture in pixels, proportional to its size, since pages show large pictures reduced. */
function letterOf({ width, height }: Size): number {
  return Math.max(12, Math.round(Math.max(width, height) / 56));
}

/** Pixels of a text with a margin at both ends. */
const widthOf = (text: string, letter: number): number => textWidth(text, letter) + letter * 0.4;

function overlap(a: Area, b: Area): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  return width > 0 && height > 0 ? width * height : 0;
}

/** Possible positions of a name: around its box, and inside if there is no room around it. */
function placesOf({ x, y, width, height }: Area, label: Size, picture: Size): { x: number; y: number }[] {
  const [last, right] = [x + width - label.width, x + width];
  const above = y - label.height;
  const below = y + height;
  const places = [
    ...[x, last].flatMap((left) => [
      { x: left, y: above },
      { x: left, y: below },
    ]),
    ...[y, below - label.height].flatMap((top) => [
      { x: right, y: top },
      { x: x - label.width, y: top },
    ]),
    { x, y },
    { x, y: below - label.height },
  ];
  const inside = places.filter(
    (place) =>
      place.x >= 0 &&
      place.y >= 0 &&
      place.x + label.width <= picture.width &&
      place.y + label.height <= picture.height,
  );
  const within = (value: number, most: number) => Math.max(0, Math.min(value, most));
  // At an edge a name moves along its box.
  const moved = [above, below, y].map((top) => ({
    x: within(x, picture.width - label.width),
    y: within(top, picture.height - label.height),
  }));
  return [...inside, ...moved];
}

/**
 * Places the names of boxes so that they cover as little as possible of other names, then of their own boxes, then
 * of other boxes.
 *
 * @param picture its size in pixels, as for the boxes.
 */
export function placedLabels(picture: Size, detections: readonly Detection[]): BoxLabel[] {
  const letter = letterOf(picture);
  const placed: BoxLabel[] = [];
  for (const box of detections) {
    const text = `${box.name} ${box.score.toFixed(2)}`;
    const size = { width: widthOf(text, letter), height: letter * lineHeight };
    const costOf = (place: { x: number; y: number }): number => {
      const area = { ...place, ...size };
      const covered = (areas: readonly Area[]) => areas.reduce((sum, each) => sum + overlap(area, each), 0);
      return 100 * covered(placed) + 10 * overlap(area, box) + covered(detections);
    };
    const places = placesOf(box, size, picture).map((place) => ({ place, cost: costOf(place) }));
    const { place } = places.reduce((best, each) => (each.cost < best.cost ? each : best));
    placed.push({ text, ...place, ...size });
  }
  return placed;
}

function textSvg(x: number, y: number, letter: number, text: string): string {
  return textPath(text, { x: x + letter / 5, y: y + letter, size: letter, color: '#fff' });
}

const svgOf = ({ width, height }: Size, content: string): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${content}</svg>`;

/**
 * Boxes with names and scores, as SVG.
 *
 * @param picture its size in pixels, as for the boxes.
 */
export function boxesSvg(picture: Size, detections: readonly Detection[]): string {
  const letter = letterOf(picture);
  const frames = detections.map(
    ({ x, y, width, height }) =>
      `<rect x="${x}" y="${y}" width="${width}" height="${height}" fill="none" stroke="#ff0" stroke-width="${letter / 6}"/>`,
  );
  const labels = placedLabels(picture, detections).map(
    ({ x, y, width, height, text }) =>
      `<rect x="${x}" y="${y}" width="${width}" height="${height}" fill="#000" fill-opacity="0.7"/>${textSvg(x, y, letter, text)}`,
  );
  return svgOf(picture, frames.join('') + labels.join(''));
}

async function enlarged(image: RgbImage): Promise<RgbImage> {
  const scale = enlargement(image);
  return scale === 1
    ? image
    : resizeImage(image, { width: scale * image.width, height: scale * image.height });
}

/**
 * Draws boxes over an image, which is enlarged if it is small ({@link enlargement}). Returns the image itself if
 * there is no box.
 */
export async function drawBoxes(image: RgbImage, detections: readonly Detection[]): Promise<RgbImage> {
  if (detections.length === 0) return image;
  const scale = enlargement(image);
  const scaled = detections.map(({ x, y, width, height, ...rest }) => ({
    ...rest,
    ...{ x: scale * x, y: scale * y, width: scale * width, height: scale * height },
  }));
  const large = await enlarged(image);
  return composeSvg(large, boxesSvg(large, scaled));
}

/** Enlarges an image if it is small, and adds a strip with lines of text below it. */
export async function withLines(image: RgbImage, lines: readonly string[]): Promise<RgbImage> {
  if (lines.length === 0) return image;
  const { data, width, height } = await enlarged(image);
  const letter = letterOf({ width, height });
  const wide = Math.max(...lines.map((line) => widthOf(line, letter))) + letter;
  const columns = Math.max(1, Math.min(lines.length, Math.floor(width / wide)));
  const step = letter * 1.5;
  const strip = Math.ceil((Math.ceil(lines.length / columns) + 0.5) * step);
  const size = { width, height: height + strip };
  const canvas = new Uint8Array(3 * size.width * size.height);
  canvas.set(data);
  const texts = lines.map((line, i) => {
    const [x, y] = [(i % columns) * (width / columns), height + (Math.floor(i / columns) + 0.3) * step];
    return textSvg(x, y, letter, line);
  });
  return composeSvg({ data: canvas, ...size }, svgOf(size, texts.join('')));
}
