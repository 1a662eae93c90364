// Options of the scripts that train the shipped networks.
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

/** What both trainings have: numbers, with their defaults. */
const common = {
  seed: 1,
  width: 256,
  height: 192,
  'weight-decay': 0.05,
  'max-norm': 1,
  ema: 0.998,
  warmup: 200,
  'time-limit': Infinity,
  'print-every': 50,
  'eval-every': 1000,
  'eval-scenes': 100,
  threads: 0,
};

const camel = (name) => name.replace(/-(\w)/g, (_, letter) => letter.toUpperCase());

/** The command line by names in camelCase. `ownNumbers`, `ownTexts`: further options with their defaults (undefined: none). */
export function readOptions(ownNumbers, ownTexts) {
  const numbers = { ...common, ...ownNumbers };
  const texts = { device: 'cpu', out: undefined, 'scene-folder': undefined, ...ownTexts };
  const { values } = parseArgs({
    options: {
      ...Object.fromEntries(
        [...Object.keys(numbers), ...Object.keys(texts)].map((name) => [name, { type: 'string' }]),
      ),
      'keep-scenes': { type: 'boolean', default: false },
    },
  });
  if (!values.out)
    throw new Error('--out DIR is missing: where the network and what going on needs are written');
  const options = { keepScenes: values['keep-scenes'] };
  for (const [name, value] of Object.entries(texts)) options[camel(name)] = values[name] ?? value;
  for (const [name, value] of Object.entries(numbers)) {
    options[camel(name)] = values[name] === undefined ? value : Number(values[name]);
    if (Number.isNaN(options[camel(name)]))
      throw new Error(`--${name} should be a number, not ${values[name]}`);
  }
  options.sceneFolder ??= join(tmpdir(), `dinov3-seg-scenes-${options.seed}`);
  return options;
}
