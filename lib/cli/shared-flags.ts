/** Flags that several commands have. */
import { cacheDtypes } from '../cache/key.js';
import { labelKinds } from '../data/class-set.js';
import { layoutNames } from '../data/layout.js';
import { networkPrecisions } from '../model/network-precision.js';
import type { Flags } from './parse.js';

export const deviceFlag = {
  device: {
    type: 'text',
    value: 'D',
    help: 'cpu, cuda:0, … (default auto: a CUDA device where there is one, else the CPU)',
  },
  'cpu-threads': {
    type: 'integer',
    least: 1,
    most: 1024,
    value: 'N',
    help: 'threads of an operator on the CPU (default: OMP_NUM_THREADS, else the processors this process may use)',
  },
} as const satisfies Flags;

export const placementFlags = {
  ...deviceFlag,
  dtype: {
    type: 'text',
    choices: ['stored', 'float32', 'bfloat16'],
    help: "precision of the network's weights (default: as stored)",
  },
  precision: {
    type: 'text',
    choices: networkPrecisions,
    help: 'of the pixel decoder beside a bfloat16 backbone (default tf32; reference: float32; fast: bfloat16)',
  },
} as const satisfies Flags;

export const classesFlag = {
  classes: {
    type: 'text',
    value: 'C',
    help: 'idd26, idd26-reference, cityscapes19, ade150 or a .json file (default: what the head names)',
  },
} as const satisfies Flags;

/** How a folder of data is read. */
export const dataFlags = {
  'label-kind': {
    type: 'text',
    choices: labelKinds,
    help: 'which label files to take, or what their values mean (default: the first kind of the class set that occurs)',
  },
  layout: {
    type: 'text',
    choices: layoutNames,
    help: 'how the data are laid out (default: what fits; docs/data.md)',
  },
  'val-share': {
    type: 'number',
    least: 0,
    most: 1,
    value: 'X',
    help: 'share of the images for validation, by their names, where there is no split val, e.g. 0.1',
  },
} as const satisfies Flags;

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

export const passSizeFlag = {
  'pass-size': {
    type: 'integer',
    least: 1,
    value: 'N',
    help: 'images that go through the network together (default: up to 8 by free GPU memory; on the CPU 1)',
  },
} as const satisfies Flags;

/** Of a cache of network outputs. */
export const cacheFlags = {
  ...passSizeFlag,
  cache: {
    type: 'text',
    value: 'DIR',
    help: "folder of the cache (default: beside the run's, named by what it is made of)",
  },
  'cache-dtype': {
    type: 'text',
    choices: cacheDtypes,
    help: 'bfloat16 (default); uint8: masks as 8-bit sigmoid, two fifths smaller; float32',
  },
  views: {
    type: 'integer',
    least: 0,
    value: 'N',
    help: 'colour-jittered versions of each training image (default 0: the unchanged image)',
  },
} as const satisfies Flags;

export const jsonFlag = {
  json: { type: 'boolean', help: 'prints the result as JSON' },
} as const satisfies Flags;
