/** A picture's annotations for people: boxes with their names, and the largest shares. */
import type { Detection } from '../model/detection-model.js';
import { textPath, textWidth } from '../report/text-path.js';

/** Percentages that are listed. */
const listed = 5;

/**
 * Boxes of an image with names and scores, and its largest percentages, as SVG of the image's size.
 *
 * @param size of the image, pixels; boxes are in them, too.
 */
export function annotationSvg(
  { width, height }: { width: number; height: number },
  shares: readonly { name: string; percent: number }[],
  detections: readonly Detection[],
): string {
  const letter = Math.max(10, Math.round(Math.min(width, height) / 36));
  const boxes = detections.map(({ x, y, name, score, ...box }) => {
    const frame = `<rect x="${x}" y="${y}" width="${box.width}" height="${box.height}" fill="none" stroke="#ff0" stroke-width="${letter / 6}"/>`;
    const text = `${name} ${score.toFixed(2)}`;
    const left = Math.max(0, Math.min(x, width - labelWidth(text, letter)));
    return frame + label(left, Math.max(y - letter * 1.3, 0), letter, text);
  });
  const largest = [...shares].sort((a, b) => b.percent - a.percent).slice(0, listed);
  const lines = largest.map(({ name, percent }, i) =>
    label(letter / 2, letter * (0.5 + 1.4 * i), letter, `${percent.toFixed(1)} % ${name}`),
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${boxes.join('')}${lines.join('')}</svg>`;
}

/** Pixels of a label whose letters are so high. */
function labelWidth(text: string, letter: number): number {
  return textWidth(text, letter) + letter * 0.4;
}

function label(x: number, y: number, letter: number, text: string): string {
  const back = `<rect x="${x}" y="${y}" width="${labelWidth(text, letter)}" height="${letter * 1.3}" fill="#000" fill-opacity="0.7"/>`;
  return back + textPath(text, { x: x + letter / 5, y: y + letter, size: letter, color: '#fff' });
}
