/** Images with their class maps as plain pictures; the page's script turns them into a viewer. */
import { markup, type Markup } from './markup.js';
import type { Example, ExampleLayer, ExamplesSection } from './report.js';
import { swatch } from './tables.js';

function picture(example: Example, { name, role, source, alt }: ExampleLayer): Markup {
  const { width, height } = example;
  return markup`<figure data-role="${role}" data-name="${name}"><img src="${source}" width="${width}" height="${height}" alt="${alt}"><figcaption>${name}</figcaption></figure>`;
}

/** An attribute for the page's script to sort by. */
function iouOf({ iou }: Example): Markup | false {
  return iou !== undefined && markup` data-iou="${iou}"`;
}

export function examplesMarkup({ classes, examples }: ExamplesSection): Markup {
  if (examples.length === 0) return markup`<p>No images to show.</p>`;
  const legend = markup`<ul class="legend">${classes.map(
    ({ index, name, color }) =>
      markup`<li data-index="${index}" data-color="${color.join(',')}">${swatch(color)}<span>${name}</span></li>`,
  )}</ul>`;
  return markup`<div class="examples">
${classes.length > 0 && legend}
${examples.map(
  (example) =>
    markup`<article data-name="${example.name}"${iouOf(example)}><h3>${example.name}</h3>${
      example.caption !== undefined && markup`<p>${example.caption}</p>`
    }<div class="pictures">${example.layers.map((layer) => picture(example, layer))}</div></article>`,
)}</div>`;
}
