/** A report as one HTML file that loads nothing. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { checkArgument, listOf, objectWith, oneOf, text, type Kind } from '../../arguments.js';
import { atomicWriteFile } from '../../files.js';
import { packageVersion } from '../../package-version.js';
import { confusionMarkup } from './confusion.js';
import { curvesMarkup } from './curves.js';
import { examplesMarkup } from './examples.js';
import { markup, trusted, type Markup } from './markup.js';
import type { Report, ReportSection } from './report.js';
import { classesMarkup, figuresMarkup, propertiesMarkup, tableMarkup } from './tables.js';

// Rules for printing override others.
const styleNames = ['page.css', 'tables.css', 'viewer.css', 'print.css'];
const scriptNames = ['theme.js', 'tables.js', 'scroll.js', 'matrix.js', 'layers.js', 'viewer.js'];

const sectionKinds: ReportSection['kind'][] = [
  'figures',
  'curves',
  'classes',
  'confusion',
  'examples',
  'properties',
  'table',
];
const sectionKind = objectWith<{ kind: ReportSection['kind']; title: string }>('a section', {
  kind: oneOf(sectionKinds),
  title: text,
});
const reportKind = objectWith<Report>('a report {title, lead, made, sections}', {
  title: text,
  lead: text,
  made: text,
  sections: listOf(sectionKind) as Kind<unknown> as Kind<readonly ReportSection[]>,
});

interface Assets {
  style: string;
  scripts: readonly string[];
  /** Content-Security-Policy: allows only what is in the page. */
  policy: string;
}

let assets: Assets | undefined;

/** Style and scripts as the package ships them, in `report/` beside `dist/`. */
function readAssets(): Assets {
  const read = (name: string) => readFileSync(new URL(`../../../report/${name}`, import.meta.url), 'utf8');
  const hash = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
  const style = styleNames.map(read).join('');
  const scripts = scriptNames.map(read);
  const policy = [
    "default-src 'none'",
    'img-src data:',
    `style-src ${hash(style)}`,
    `script-src ${scripts.map(hash).join(' ')}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  return { style, scripts, policy };
}

function sectionBody(section: ReportSection): Markup {
  switch (section.kind) {
    case 'figures':
      return figuresMarkup(section);
    case 'curves':
      return curvesMarkup(section);
    case 'classes':
      return classesMarkup(section);
    case 'confusion':
      return confusionMarkup(section);
    case 'examples':
      return examplesMarkup(section);
    case 'properties':
      return propertiesMarkup(section);
    case 'table':
      return tableMarkup(section);
  }
}

function sectionMarkup(section: ReportSection, place: number): Markup {
  const { kind, title, note } = section;
  return markup`<section id="s${place}" class="${kind}-section" aria-labelledby="h${place}"><h2 id="h${place}">${title}</h2>
${note !== undefined && markup`<p class="note">${note}</p>`}${sectionBody(section)}</section>
`;
}

/** Number of sections at the top, side by side: figures and the examples that follow them. */
function openingLength([first, second]: readonly ReportSection[]): number {
  return first?.kind === 'figures' && second?.kind === 'examples' && second.examples.length > 0 ? 2 : 0;
}

function contents(sections: readonly ReportSection[]): Markup {
  const opening = openingLength(sections);
  const all = sections.map(sectionMarkup);
  const links = sections.map(({ title }, i) => markup`<li><a href="#s${i}">${title}</a></li>`);
  return markup`${opening > 0 && markup`<div class="opening">${all.slice(0, opening)}</div>`}
<nav aria-label="Sections"><ul>${links}</ul></nav>
${all.slice(opening)}`;
}

/**
 * Renders a report as a self-contained HTML page: style, scripts and pictures are inside, all text is escaped.
 *
 * @returns the HTML.
 * @throws DinoSegError INVALID_ARGUMENT
 */
export function renderReport(report: Report): string {
  checkArgument(report, reportKind, 'renderReport(report)');
  const { title, lead, made, sections } = report;
  assets ??= readAssets();
  const { style, scripts, policy } = assets;
  const page = markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="dinov3-seg ${packageVersion()}">
<link rel="icon" href="data:,">
<title>${title}</title>
<style>${trusted(style)}</style>
</head>
<body>
<a class="skip" href="#content">Skip to content</a>
<header><div><h1>${title}</h1><p>${lead}</p></div></header>
<main id="content" tabindex="-1">
${contents(sections)}</main>
<footer><p>Made by dinov3-seg ${packageVersion()}, ${made}. This file is self-contained and loads nothing.</p></footer>
${scripts.map((script) => markup`<script>${trusted(script)}</script>\n`)}</body>
</html>
`;
  return page.text;
}

/**
 * Writes a report as an HTML file. An earlier file at `path` is replaced, and kept if writing fails.
 *
 * @throws DinoSegError INVALID_ARGUMENT, DISK_FULL, IO
 */
export async function writeReport(path: string, report: Report): Promise<void> {
  checkArgument(path, text, 'writeReport(path)');
  await atomicWriteFile(path, renderReport(report));
}
