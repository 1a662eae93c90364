/** Text in pictures as SVG paths: it looks the same on every machine and needs no fonts. */
import { glyphs, marks, replacement, unitsPerSize } from './alphabet.js';

type Point = readonly [x: number, y: number];

/** A line that the pen draws, in units of the alphabet. */
interface Stroke {
  points: readonly { at: Point; round: boolean }[];
  closed: boolean;
}

interface Glyph {
  strokes: readonly Stroke[];
  /** Units from the leftmost to the rightmost place of the pen's middle. */
  width: number;
  /** Units from the baseline to the highest place of the pen's middle. */
  top: number;
}

/** Position and style of a text, in pixels of the picture. */
export interface TextPlace {
  /** Left edge, middle or right edge of the text, as `anchor` says. */
  x: number;
  /** Baseline: the lower edge of capitals. */
  y: number;
  /** Height of a line without spacing; capitals are 0.73 of it. */
  size: number;
  /** Meaning of `x`. Default: `start`, the left edge. */
  anchor?: 'start' | 'middle' | 'end';
  /** Any SVG colour. Default: `#111`. */
  color?: string;
}

const heights = { descender: -4, small: 10, capital: 14 };
/** Units between the pens of two letters, and the width of a space. */
const gap = 4.6;
const space = 3;
const digitWidth = 8;
/** Radius of rounded corners in units; smaller if the strokes are short. */
const radius = 6;
/** Where the control points of a Bézier curve lie that stands for a quarter of a circle. */
const quarter = 0.5523;

function strokesOf(text: string): Stroke[] {
  return text.split('/').map((part) => {
    const words = part.trim().split(' ');
    const points = words.filter((word) => word !== 'z');
    return {
      closed: points.length < words.length,
      points: points.map((word) => {
        const [x, y] = word.replace('~', '').split(',').map(Number);
        return { at: [x!, y!] as const, round: word.startsWith('~') };
      }),
    };
  });
}

function glyphOf(character: string): Glyph {
  const strokes = strokesOf(glyphs[character] ?? replacement);
  const places = strokes.flatMap(({ points }) => points.map(({ at }) => at));
  // Columns of numbers are to stand below each other.
  const width = /\d/.test(character) ? digitWidth : Math.max(...places.map(([x]) => x));
  return { strokes, width, top: Math.max(...places.map(([, y]) => y)) };
}

const known = new Map<string, Glyph>();

function lookUp(character: string): Glyph {
  const glyph = known.get(character) ?? glyphOf(character);
  if (character in glyphs) known.set(character, glyph);
  return glyph;
}

function moved({ points, closed }: Stroke, x: number, y: number): Stroke {
  return { closed, points: points.map(({ at, round }) => ({ round, at: [at[0] + x, at[1] + y] })) };
}

const dotless: Readonly<Record<string, string>> = { i: 'ı', j: 'ȷ' };

/** The strokes of a text that begins at 0, and its width, in units. */
function setText(text: string): { strokes: Stroke[]; width: number } {
  const characters = [...text.normalize('NFKD')];
  const strokes: Stroke[] = [];
  let [pen, width] = [0, 0];
  let last: { glyph: Glyph; x: number } | undefined;
  for (const [i, character] of characters.entries()) {
    const mark = marks[character];
    if (mark && last) {
      const { glyph, x } = last;
      const y = mark.place === 'below' ? 0 : Math.max(glyph.top, heights.small);
      strokes.push(...strokesOf(mark.strokes).map((stroke) => moved(stroke, x + glyph.width / 2, y)));
    } else if (/\s/.test(character)) {
      pen += space + (pen > 0 ? gap : 0);
    } else if (!/[\p{M}\p{Cf}]/u.test(character)) {
      const under = marks[characters[i + 1] ?? '']?.place === 'above' ? dotless[character] : undefined;
      const glyph = lookUp(under ?? character);
      last = { glyph, x: pen };
      strokes.push(...glyph.strokes.map((stroke) => moved(stroke, pen, 0)));
      width = pen + glyph.width;
      pen = width + gap;
    }
  }
  return { strokes, width };
}

/** Pixels of the pen. */
function penWidth(size: number): number {
  return Math.max(1, 0.095 * size);
}

/**
 * Pixels above the baseline of a place of a glyph. With the pen's width the heights of letters are whole pixels, so that
 * their horizontal strokes are as sharp as they can be.
 */
function lift(size: number): (y: number) => number {
  const unit = size / unitsPerSize;
  const pen = penWidth(size);
  const small = Math.max(4, Math.round(heights.small * unit + pen)) - pen;
  const capital = small + Math.max(2, Math.round((heights.capital - heights.small) * unit));
  const descender = Math.round(heights.descender * unit);
  return (y) => {
    if (y < 0) return (y * descender) / heights.descender;
    if (y <= heights.small) return (y * small) / heights.small;
    return small + ((y - heights.small) * (capital - small)) / (heights.capital - heights.small);
  };
}

/** The point at a distance in units from one point towards another. */
function towards(from: Point, to: Point, distance: number): Point {
  const share = distance / Math.hypot(to[0] - from[0], to[1] - from[1]);
  return [from[0] + share * (to[0] - from[0]), from[1] + share * (to[1] - from[1])];
}

function between(from: Point, to: Point, share: number): Point {
  return [from[0] + share * (to[0] - from[0]), from[1] + share * (to[1] - from[1])];
}

/** The commands of a stroke's path; `place` writes a point. */
function pathOf({ points, closed }: Stroke, place: (point: Point) => string): string {
  const count = points.length;
  const commands = points.map(({ at, round }, i) => {
    const [before, after] = [points[(i + count - 1) % count]!, points[(i + 1) % count]!];
    if (!round) return [`L${place(at)}`];
    // Two rounded corners share the line between them.
    const room = (other: typeof before) =>
      Math.min(radius, Math.hypot(other.at[0] - at[0], other.at[1] - at[1]) * (other.round ? 0.5 : 1));
    const [start, end] = [towards(at, before.at, room(before)), towards(at, after.at, room(after))];
    const controls = [start, end].map((point) => place(between(point, at, quarter)));
    return [`L${place(start)}`, `C${controls.join(' ')} ${place(end)}`];
  });
  const path = commands.flat().join('').replace('L', 'M');
  return closed ? `${path}Z` : path;
}

/**
 * Width of a text in a picture, in pixels.
 *
 * @param size as {@link TextPlace.size}.
 */
export function textWidth(text: string, size: number): number {
  const { width } = setText(text);
  return (width * size) / unitsPerSize + penWidth(size);
}

/** The text if it fits into `width` pixels; otherwise `…` and the end that fits. */
export function endThatFits(text: string, size: number, width: number): string {
  if (textWidth(text, size) <= width) return text;
  const characters = [...text];
  for (let from = 1; from < characters.length; from++) {
    const end = `…${characters.slice(from).join('')}`;
    if (textWidth(end, size) <= width) return end;
  }
  return '…';
}

/** Text for an attribute; what XML cannot hold becomes U+FFFD. */
function escaped(text: string): string {
  return text
    .replaceAll(/[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '\uFFFD')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('"', '&quot;');
}

/**
 * A line of text as an SVG path, with the text in `aria-label`. There are glyphs for ASCII, the Latin letters of European
 * languages, and some signs. Characters without a glyph (other scripts, emoji) are drawn as a crossed box.
 */
export function textPath(text: string, { x, y, size, anchor = 'start', color = '#111' }: TextPlace): string {
  const { strokes } = setText(text);
  const pen = penWidth(size);
  const shift = { start: 0, middle: 0.5, end: 1 }[anchor] * textWidth(text, size);
  const unit = size / unitsPerSize;
  const [left, height] = [x - shift + pen / 2, lift(size)];
  const bottom = Math.round(y) - pen / 2;
  const place = (point: Point) =>
    [left + unit * point[0], bottom - height(point[1])].map((value) => Number(value.toFixed(2))).join(',');
  const path = strokes.map((stroke) => pathOf(stroke, place)).join('');
  return (
    `<path aria-label="${escaped(text)}" d="${path}" fill="none" stroke="${color}" ` +
    `stroke-width="${Number(pen.toFixed(2))}" stroke-linecap="round" stroke-linejoin="round"/>`
  );
}
