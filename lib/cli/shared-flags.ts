/** Flags that several commands have. */
import type { Flags } from './parse.js';
import { settingFlags } from './setting-flags.js';

export const deviceFlag = {
  ...settingFlags('device'),
  'cpu-threads': {
    type: 'integer',
    least: 1,
    most: 1024,
    value: 'N',
    help: 'threads of an operator on the CPU (default: OMP_NUM_THREADS, else the processors this process may use)',
  },
} as const satisfies Flags;

export const placementFlags = { ...deviceFlag, ...settingFlags('dtype', 'precision') };

export const classesFlag = {
  classes: {
    type: 'text',
    value: 'C',
    help: 'idd26, idd26-reference, cityscapes19, ade150 or a .json file (default: what the head names)',
  },
} as const satisfies Flags;

/** How a folder of data is read. */
export const dataFlags = settingFlags('labelKind', 'layout', 'valShare');

export const scoringFlags = {
  scoring: {
    type: 'text',
    choices: ['recipe', 'ade20k'],
    help: 'way of scoring (default: ade20k for a head with a "no object" output, else recipe)',
  },
  'image-size': {
    type: 'integer',
    least: 1,
    value: 'N',
    help: 'width and height of the network input, a multiple of 32 (default: that of the training, else 512)',
  },
} as const satisfies Flags;

export const passSizeFlag = settingFlags('passSize');

/** Arguments that stand for images. */
export const images = {
  name: 'IMAGE…',
  help: 'images, folders with all below them, quoted globs',
  most: Infinity,
} as const;

export const jsonFlag = {
  json: { type: 'boolean', help: 'prints the result as JSON' },
} as const satisfies Flags;
