import { checkCache, listCaches, removeCache } from '../cache/manage.js';
import { headKinds } from '../train/config.js';
import { makeCache } from '../train/make-cache.js';
import { formatBytes } from '../text.js';
import { withoutUndefined } from '../without-undefined.js';
import { camelCased, command } from './command.js';
import { note, print, printJson, printResult, progressBar } from './output.js';
import { UsageError } from './parse.js';
import { cacheFlags, dataFlags, jsonFlag, placementFlags } from './shared-flags.js';
import { table } from './text.js';
import { barUpdate } from './train.js';

const actions = ['make', 'check', 'list', 'remove'] as const;

export default command({
  name: 'cache',
  summary: "Caches of the frozen network's outputs, which training in mode cached makes and uses.",
  positionals: {
    name: 'make|check|list|remove [DIR]',
    help: 'make: fills the cache that `train` with the same settings uses; check: reads every record; DIR: the cache',
    least: 1,
    most: 2,
  },
  flags: {
    model: { type: 'text', value: 'FILE', help: 'make: the network' },
    data: { type: 'text', value: 'DIR', help: 'make: labelled images, or a list of pairs' },
    out: { type: 'text', value: 'RUN', help: 'make: the run folder beside which the cache goes' },
    classes: { type: 'text', value: 'C', help: 'make: class set (default idd26)' },
    ...dataFlags,
    ...cacheFlags,
    'image-size': { type: 'integer', least: 1, value: 'N', help: 'make: width and height (default 512)' },
    'head-kind': {
      type: 'text',
      choices: headKinds,
      help: 'make: for which kind of head (default class_embed)',
    },
    flip: { type: 'number', least: 0, most: 1, value: 'X', help: 'make: 0 leaves flipped versions out' },
    seed: { type: 'integer', least: 0, value: 'N', help: 'make: of the jitter of --views (default 0)' },
    ...placementFlags,
    prefetch: { type: 'integer', least: 1, value: 'N', help: 'make: images prepared ahead (default 4)' },
    ...jsonFlag,
  },
  notes: 'What is damaged or older than its image is made again by `make` and by `train`.',
  stoppable: true,
  goesOn: true,
  async run({ flags: { json, ...flags }, positionals: [action, path], signal }) {
    const bar = progressBar();
    const need = (): string => {
      if (path === undefined) throw new UsageError(`cache ${action} needs the folder of a cache.`);
      return path;
    };
    switch (action) {
      case 'make': {
        const cache = path ?? flags.cache;
        if (cache === undefined && flags.out === undefined)
          throw new UsageError('cache make needs a folder: DIR, or --out RUN for the one beside a run.');
        const made = await makeCache(camelCased(withoutUndefined({ ...flags, cache })), {
          signal,
          onProgress: (progress) => bar.update(barUpdate(progress)),
          onLog: note,
        });
        return printResult(made, json);
      }
      case 'check': {
        const onProgress = (done: number, total: number) =>
          bar.update({ label: 'checking', done, total, unit: 'records' });
        const result = await checkCache(need(), { signal, onProgress });
        printResult(result, json);
        return result.damage.length > 0 ? 1 : 0;
      }
      case 'list': {
        const found = await listCaches(path ?? '.');
        if (json) return printJson(found);
        const rows = found.map(({ path, key, passSize, records, sizeBytes }) => [
          path,
          String(records),
          formatBytes(sizeBytes),
          `${key.contents} ${key.dtype}, ${key.imageSize}×${key.imageSize}, ${key.classes}, network ${key.modelId.slice(0, 12)}, passes of ${passSize}`,
        ]);
        return print(
          found.length > 0 ? table([['cache', 'records', 'size', 'made of'], ...rows], [1, 2]) : 'no cache',
        );
      }
      case 'remove':
        return removeCache(need());
      default:
        throw new UsageError(
          `cache should be followed by one of ${actions.join(', ')}; "${action}" was given.`,
        );
    }
  },
});
