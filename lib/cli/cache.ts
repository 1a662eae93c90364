import { checkCache, listCaches, removeCache } from '../cache/manage.js';
import { makeCache } from '../train/make-cache.js';
import { formatBytes } from '../text.js';
import { command } from './command.js';
import { note, print, printJson, printResult, progressBar } from './output.js';
import { UsageError } from './parse.js';
import { settingFlags, settingsOf } from './setting-flags.js';
import { deviceFlag, jsonFlag } from './shared-flags.js';
import { table } from './text.js';
import { barUpdate } from './train.js';

/** What decides over the content of a cache, where it is, and how it is filled. */
const settings = settingFlags(
  ...(['model', 'data', 'out', 'classes', 'labelKind', 'layout', 'valShare'] as const),
  ...([
    'cache',
    'passSize',
    'cacheDtype',
    'views',
    'headKind',
    'layers',
    'imageSize',
    'flip',
    'seed',
  ] as const),
  ...(['device', 'dtype', 'precision', 'prefetch'] as const),
);

const actions = ['make', 'check', 'list', 'remove'] as const;

export default command({
  name: 'cache',
  summary:
    "Makes, checks, lists or removes caches of the frozen network's outputs. Training with --mode cached uses them.",
  positionals: {
    name: 'make|check|list|remove [DIR]',
    help: 'action, and folder of the cache',
    least: 1,
    most: 2,
  },
  flags: {
    ...settings,
    out: { ...settings.out, help: 'run folder; the cache is made next to it' },
    ...deviceFlag,
    ...jsonFlag,
  },
  notes: [
    'make    fills the cache that `train` uses with the same settings; all flags except --json are for it',
    'check   reads every record; the exit code is 1 if some are damaged',
    'list    shows the caches in DIR (default: .)',
    'remove  deletes the cache',
    '',
    '`make` and `train` replace records that are damaged or older than their image.',
  ].join('\n'),
  stoppable: true,
  goesOn: true,
  async run({ flags: { json, ...flags }, positionals: [action, path], signal }) {
    const bar = progressBar();
    const need = (): string => {
      if (path === undefined)
        throw new UsageError(`Missing DIR: cache ${action} needs the folder of a cache.`);
      return path;
    };
    switch (action) {
      case 'make': {
        const cache = path ?? flags.cache;
        if (cache === undefined && flags.out === undefined)
          throw new UsageError(
            'Missing DIR or --out RUN: cache make needs the folder of the cache or of the run next to it.',
          );
        const made = await makeCache(settingsOf({ ...flags, cache }), {
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
          `${key.contents} ${key.dtype}, ${key.imageSize}×${key.imageSize}, ${key.classes}, network ${key.modelId.slice(0, 12)}, pass size ${passSize}`,
        ]);
        return print(
          found.length > 0 ? table([['cache', 'records', 'size', 'contents'], ...rows], [1, 2]) : 'no caches',
        );
      }
      case 'remove':
        return removeCache(need());
      default:
        throw new UsageError(`cache expects one of ${actions.join(', ')}, not "${action}".`);
    }
  },
});
