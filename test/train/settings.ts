/** What is made of the table of training settings: the page's table, the JSON schema, flags. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import t from 'tap';
import { settingsOf } from '../../lib/cli/setting-flags.js';
import train from '../../lib/cli/train.js';
import { trainDefaults } from '../../lib/train/config.js';
import { configKeys, trainSettings } from '../../lib/train/settings.js';
import { fits, type Setting } from '../../lib/setting.js';
import { settingsFiles } from '../../scripts/docs/settings.mjs';

const root = resolve(import.meta.dirname, '../..');

t.test('the page and the schema are those of the table (else: npm run docs:settings)', async (t) => {
  for (const [path, text] of await settingsFiles())
    t.equal(readFileSync(resolve(root, path), 'utf8'), text, path);
});

t.test('the schema knows each setting by its flag and by its name in the library', async (t) => {
  const text = readFileSync(resolve(root, 'docs/train-settings.schema.json'), 'utf8');
  const { properties } = JSON.parse(text) as { properties: Record<string, object> };
  for (const name of [...configKeys, ...Object.keys(train.flags)]) t.ok(properties[name], name);
  t.match(properties['lr'], { type: ['number', 'null'], exclusiveMinimum: 0, default: 1e-4 });
  t.same(properties['learningRate'], properties['lr']);
  t.match(properties['mode'], { enum: ['cached', 'live', null] });
});

t.test('every default keeps its own rule; model, data and out have none', async (t) => {
  t.same(
    configKeys.filter((name) => !Object.hasOwn(trainDefaults, name)),
    ['model', 'data', 'out'],
  );
  for (const [name, value] of Object.entries(trainDefaults))
    t.ok(value === null || fits(trainSettings[name as keyof typeof trainDefaults], value), name);
});

t.test('a flag for each setting has no default, so that a resumed run keeps its own', async (t) => {
  const flags = Object.values<Setting>(train.flags);
  t.equal(flags.filter((flag) => 'setting' in flag).length, configKeys.length);
  t.notOk(flags.some((flag) => 'default' in flag));
  t.match(train.flags.epochs.help, /\(default 20\)$/);
  t.same(settingsOf({ lr: 1, 'image-size': 64, json: true, seed: undefined }), {
    learningRate: 1,
    imageSize: 64,
  });
});
