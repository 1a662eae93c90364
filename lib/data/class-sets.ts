import { checkArgument, text } from '../arguments.js';
import { DinoSegError } from '../errors.js';
import { didYouMean } from '../nearest.js';
import { readClassFile } from './class-file.js';
import {
  classSet,
  distinctColor,
  identityMapping,
  ignoreIndex,
  labelMapping,
  namesOfClasses,
  polygonMapping,
} from './class-set.js';
import type { ClassSet, LabelKind, NamedColor } from './class-set.js';
import { ade150Names } from './sets/ade150.js';
import {
  cityscapes19Classes,
  cityscapes19Labels,
  cityscapes19RawIds,
  cityscapesHighestRawId,
} from './sets/cityscapes19.js';
import { idd26Classes, idd26Labels, idd26RawIgnored, idd26RawToLevel3 } from './sets/idd26.js';
import { idd7Classes, idd7Labels, idd7OfLevel3, idd7OfRaw } from './sets/idd7.js';
import { vistas124Classes } from './sets/vistas124.js';
import { vistas65Classes, vistas65Unlabeled } from './sets/vistas65.js';

export type { ClassInfo, ClassSet, Color, LabelKind, LabelMapping } from './class-set.js';

function idd26(): ClassSet {
  const raw = idd26RawToLevel3.map(([id, , level3]) => [id, level3] as const);
  return classSet('idd26', idd26Classes, [
    identityMapping('labellevel3Ids', 26),
    identityMapping('labelTrainIds', 26),
    labelMapping('labelids', raw, idd26RawIgnored),
    identityMapping('labelIds', 26),
    // Last: label images that are there are taken before polygons.
    polygonMapping(26, idd26Labels),
  ]);
}

/** IDD's level 1: IDD-Lite's label images, and all that IDD has. */
function idd7(): ClassSet {
  return classSet('idd7', idd7Classes, [
    identityMapping('labelTrainIds', 7),
    labelMapping('labellevel3Ids', idd7OfLevel3, [ignoreIndex]),
    labelMapping('labelids', idd7OfRaw, idd26RawIgnored),
    polygonMapping(7, idd7Labels),
  ]);
}

/**
 * Road stands as 255 in these label images and 3 (rail track) is ignored. The recipe gives 0 no meaning,
 * so that 0 is unknown and refused rather than guessed to be road.
 */
function idd26Reference(): ClassSet {
  const same = idd26Classes.map((_, id) => [id, id] as const).filter(([id]) => id !== 0 && id !== 3);
  const kinds: LabelKind[] = ['labellevel3Ids', 'labelTrainIds', 'labelIds'];
  return classSet('idd26-reference', idd26Classes, [
    ...kinds.map((kind) => labelMapping(kind, [[255, 0], ...same], [3])),
    polygonMapping(26, idd26Labels),
  ]);
}

function cityscapes19(): ClassSet {
  const ids = Array.from({ length: cityscapesHighestRawId + 1 }, (_, id) => id);
  const raw = labelMapping(
    'labelIds',
    cityscapes19RawIds.map((id, index) => [id, index] as const),
    [...ids, ignoreIndex],
  );
  return classSet('cityscapes19', cityscapes19Classes, [
    identityMapping('labelTrainIds', 19),
    raw,
    { ...raw, kind: 'labelids' },
    polygonMapping(19, cityscapes19Labels),
  ]);
}

function ade150(): ClassSet {
  const raw = labelMapping(
    'labelIds',
    ade150Names.map((_, index) => [index + 1, index] as const),
    [0],
  );
  const classes = ade150Names.map((name, index) => [name, distinctColor(index)] as const);
  return classSet('ade150', classes, [
    raw,
    { ...raw, kind: 'labelids' },
    identityMapping('labelTrainIds', 150),
    { ...raw, kind: 'ade150Ids' },
    polygonMapping(150, namesOfClasses(classes)),
  ]);
}

/** Mapillary Vistas 1.2. */
function vistas65(): ClassSet {
  const same = vistas65Classes.map((_, index) => [index, index] as const);
  const raw = labelMapping('labelIds', same, [vistas65Unlabeled]);
  return classSet('vistas65', vistas65Classes, [
    raw,
    { ...raw, kind: 'labelTrainIds' },
    polygonMapping(65, namesOfClasses(vistas65Classes)),
  ]);
}

/** Mapillary Vistas 2.0; of its own colours those that no other class has, since pictures should tell all classes apart. */
function vistas124(): ClassSet {
  const count = (color: string) => vistas124Classes.filter(([, other]) => other.join() === color).length;
  const classes = vistas124Classes.map(([name, color], index): NamedColor => [
    name,
    count(color.join()) === 1 ? color : distinctColor(index),
  ]);
  return classSet('vistas124', classes, [
    identityMapping('labelIds', 124),
    identityMapping('labelTrainIds', 124),
    polygonMapping(124, namesOfClasses(classes)),
  ]);
}

const builtIn = {
  idd26,
  'idd26-reference': idd26Reference,
  idd7,
  cityscapes19,
  vistas65,
  vistas124,
  ade150,
} satisfies Record<string, () => ClassSet>;

/** Names of the built-in class sets, for {@link loadClassSet}. */
export const classSetNames: readonly string[] = Object.keys(builtIn);

/**
 * Loads a built-in class set by its name, or a user's own from a JSON file (docs/classes.md). Anything that ends in
 * `.json` or contains a path separator is treated as a file.
 *
 * @throws DinoSegError CLASSES for an unknown name or an invalid file, FILE_NOT_FOUND if the file does not exist
 */
export async function loadClassSet(nameOrPath: string): Promise<ClassSet> {
  checkArgument(nameOrPath, text, 'loadClassSet(nameOrPath)');
  if (Object.hasOwn(builtIn, nameOrPath)) return builtIn[nameOrPath as keyof typeof builtIn]();
  if (/\.json$|[\\/]/i.test(nameOrPath)) return readClassFile(nameOrPath);
  throw new DinoSegError(
    'CLASSES',
    `There is no class set "${nameOrPath}".${didYouMean(nameOrPath, classSetNames)} ` +
      `Give one of ${classSetNames.join(', ')}, or the path of a .json file.`,
  );
}
