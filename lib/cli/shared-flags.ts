/** Flags that several commands have. */
import { withoutUndefined } from '../without-undefined.js';
import type { Flags, FlagValues } from './parse.js';
import { settingFlags } from './setting-flags.js';

export const deviceFlag = {
  ...settingFlags('device'),
  'cpu-threads': {
    type: 'integer',
    least: 1,
    most: 1024,
    value: 'N',
    help: 'CPU threads per operator (default: OMP_NUM_THREADS, else the processors available to this process)',
  },
} as const satisfies Flags;

export const trustFlag = {
  'trust-code': {
    type: 'boolean',
    help: 'let the code of the network file do anything, also while it is loaded: for files whose maker you trust (docs/networks.md)',
  },
} as const satisfies Flags;

/** What a network's code may do. */
export const codeFlags = {
  ...trustFlag,
  timeout: {
    type: 'number',
    above: 0,
    value: 'SECONDS',
    help: 'maximum time of one pass of the network; a pass that takes longer is an error (default: any time)',
  },
} as const satisfies Flags;

export const placementFlags = {
  ...deviceFlag,
  ...settingFlags('dtype', 'precision', 'weights', 'gpuMemory'),
  ...codeFlags,
};

/** What {@link placementFlags} give, as options of loading. */
export function placementOf(flags: FlagValues<typeof placementFlags>) {
  const { device, dtype, precision, weights, timeout } = flags;
  const { 'gpu-memory': gpuMemory, 'trust-code': trustCode } = flags;
  return withoutUndefined({ device, dtype, precision, weights, gpuMemory, trustCode, timeout });
}

export const classesFlag = {
  classes: {
    type: 'text',
    value: 'C',
    help: 'class set: idd26, idd26-reference, idd7, cityscapes19, vistas65, vistas124, ade150 or FILE.json (default: that of the head)',
  },
} as const satisfies Flags;

/** How a folder of data is read. */
export const dataFlags = settingFlags(
  ...(['labelKind', 'layout', 'images', 'labels', 'unknown', 'valShare', 'maxPixels'] as const),
);

/** The size above which an image is refused. */
export const maxPixelsFlag = settingFlags('maxPixels');

/** What {@link dataFlags} give, as options of reading. */
export function readingOf(flags: FlagValues<typeof dataFlags>) {
  const { layout, images, labels, unknown } = flags;
  const { 'label-kind': labelKind, 'val-share': valShare, 'max-pixels': maxPixels } = flags;
  return withoutUndefined({ labelKind, layout, images, labels, unknown, valShare, maxPixels });
}

export const scoringFlags = {
  scoring: {
    type: 'text',
    choices: ['recipe', 'ade20k'],
    help: 'scoring method (default: ade20k for a head with a "no object" output, else recipe)',
  },
  'image-size': {
    type: 'integer',
    least: 1,
    value: 'N',
    help: 'input width and height of the network in pixels, a multiple of 32 (default: as in the training of the head, else 512)',
  },
} as const satisfies Flags;

export const passSizeFlag = settingFlags('passSize');

/** Arguments that stand for images. */
export const images = {
  name: 'IMAGE…',
  help: 'image files, folders (including sub-folders) or quoted globs',
  most: Infinity,
} as const;

export const jsonFlag = {
  json: { type: 'boolean', help: 'print the result as JSON' },
} as const satisfies Flags;
