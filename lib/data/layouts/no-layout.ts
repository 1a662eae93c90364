/** What a person is told whose data fit no layout. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { compareNames } from '../../images/files-below.js';
import { nearest } from '../../nearest.js';
import { isFolder, waysOut, type LayoutName } from '../layout.js';
import { labelFolderNames } from './folders.js';
import { foldersOf, presets } from './presets.js';

interface Expectation {
  layout: LayoutName;
  /** In words. */
  expected: string;
  /** What it needs: of each group one folder or file. */
  needs: string[][];
}

const expectations: readonly Expectation[] = [
  {
    layout: 'cityscapes',
    expected:
      'leftImg8bit/<split>/<sequence>/<frame>_leftImg8bit.png with gtFine/<split>/<sequence>/<frame>_gtFine_<kind>.png',
    needs: [['leftImg8bit'], ['gtFine']],
  },
  {
    layout: 'folders',
    expected: `images/[<split>/]<name>.jpg with ${labelFolderNames.join('|')}/[<split>/]<name>.png, or <split>/images with <split>/masks`,
    needs: [['images'], labelFolderNames],
  },
  {
    layout: 'ade20k',
    expected: 'images/{training,validation}/<name>.jpg with annotations/{training,validation}/<name>.png',
    needs: [['images/training', 'images/validation'], ['annotations']],
  },
  {
    layout: 'list',
    expected: 'train.txt and val.txt with an image, a tab and its label image on each line',
    needs: [['train.txt', 'val.txt']],
  },
  ...presets.flatMap(({ layout, patterns }) =>
    patterns.map(({ images, labels }) => ({
      layout,
      expected: `${images} with ${labels}`.replaceAll(/\{(split|name|kind)\}/g, '<$1>'),
      needs: [foldersOf(images), foldersOf(labels)],
    })),
  ),
];

const mostListed = 8;

async function namesIn(folder: string): Promise<string[]> {
  return (await isFolder(folder)) ? (await readdir(folder)).sort(compareNames) : [];
}

/** The path that was meant and is there, exactly or nearly. */
async function existing(root: string, path: string): Promise<{ path: string; exact: boolean } | undefined> {
  let found = '';
  let exact = true;
  for (const part of path.split('/')) {
    const names = await namesIn(join(root, found));
    const name = names.includes(part) ? part : nearest(part, names);
    if (name === undefined) return undefined;
    exact &&= name === part;
    found = found === '' ? name : `${found}/${name}`;
  }
  return { path: found, exact };
}

/** How much of an expectation is there, from 0 to 1, and in words. */
async function fit(root: string, { needs }: Expectation): Promise<{ share: number; words: string }> {
  let share = 0;
  const words: string[] = [];
  for (const group of needs) {
    const paths = await Promise.all(group.map((path) => existing(root, path)));
    const there = paths.find((found) => found?.exact) ?? paths.find((found) => found !== undefined);
    share += there === undefined ? 0 : (there.exact ? 1 : 0.5) / needs.length;
    const wanted = group.join(' or ');
    if (there === undefined) words.push(`${wanted} is missing`);
    else words.push(there.exact ? `${there.path} is there` : `${wanted} is missing (${there.path} is there)`);
  }
  return { share, words: words.join(', ') };
}

/**
 * The message for a folder that fits no layout: the nearest one, what was looked for, and the ways out.
 *
 * @param inside folders of it that fit one.
 */
export async function noLayout(root: string, inside: readonly string[]): Promise<string> {
  const fits = await Promise.all(
    expectations.map(async (expectation) => ({ expectation, ...(await fit(root, expectation)) })),
  );
  const best = fits.reduce((most, each) => (each.share > most.share ? each : most));
  const near =
    inside.length > 0
      ? `Give ${inside.map((name) => join(root, name)).join(' or ')}, which has a known layout. `
      : best.share > 0
        ? `The nearest layout is ${best.expectation.layout}: ${best.words}. `
        : '';
  const looked = expectations.map(({ layout, expected }) => `\n  ${layout}: ${expected}`);
  return (
    `${root} matches no known layout. It contains ${(await namesIn(root)).slice(0, mostListed).join(', ') || 'nothing'}. ` +
    `Looked for${looked.join('')}\n${near}${waysOut}`
  );
}
