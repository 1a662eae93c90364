/** SVG elements and colours. */

/** Red, green, blue, 0…255 and not rounded. */
export type Paint = readonly [r: number, g: number, b: number];

/** A point of the drawing, in its units (100 from top to bottom). */
export type Point = readonly [x: number, y: number];

/** A number for an SVG attribute. */
export function num(value: number): string {
  return String(Math.round(value * 100) / 100);
}

/** A closed polygon through the points. */
export function polygon(points: readonly Point[]): string {
  return `<path d="M${points.map(([x, y]) => `${num(x)} ${num(y)}`).join('L')}Z"/>`;
}

export function rect(x: number, y: number, width: number, height: number, round = 0): string {
  const corner = round > 0 ? ` rx="${num(round)}"` : '';
  return `<rect x="${num(x)}" y="${num(y)}" width="${num(width)}" height="${num(height)}"${corner}/>`;
}

export function ellipse(cx: number, cy: number, rx: number, ry = rx): string {
  return `<ellipse cx="${num(cx)}" cy="${num(cy)}" rx="${num(rx)}" ry="${num(ry)}"/>`;
}

/** The elements in one colour. */
export function filled(elements: string, fill: string, opacity = 1): string {
  return `<g fill="${fill}"${opacity < 1 ? ` fill-opacity="${num(opacity)}"` : ''}>${elements}</g>`;
}

export function css([r, g, b]: Paint): string {
  const byte = (value: number): number => Math.round(Math.min(255, Math.max(0, value)));
  return `rgb(${byte(r)},${byte(g)},${byte(b)})`;
}

/** A vertical gradient to fill with `url(#id)`, from one height of the drawing to another. */
export function verticalGradient(
  id: string,
  from: readonly [y: number, color: string],
  to: readonly [y: number, color: string],
): string {
  return (
    `<linearGradient id="${id}" gradientUnits="userSpaceOnUse" x1="0" x2="0" y1="${num(from[0])}" y2="${num(to[0])}">` +
    `<stop offset="0" stop-color="${from[1]}"/><stop offset="1" stop-color="${to[1]}"/></linearGradient>`
  );
}
