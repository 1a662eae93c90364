// Writes what is made of the table of training settings (lib/train/settings.ts, compiled): the table of docs/training.md
// and docs/train-settings.schema.json.
//   npm run docs:settings
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import prettier from 'prettier';
import { root } from '../native-build.mjs';

const page = 'docs/training.md';
const schemaFile = 'docs/train-settings.schema.json';
const [begin, end] = ['<!-- settings: npm run docs:settings -->', '<!-- end of settings -->'];

const load = (module) => import(new URL(`../../dist/${module}`, import.meta.url));

function rowOf(name, setting, { flagOf, expected }) {
  const { type, choices, only, value } = setting;
  const code = (text) => `\`${text}\``;
  const all = choices ?? only;
  const values = all ? all.map(code).join(', ') : type === 'text' ? code(value) : expected(setting);
  const usual = (setting.default ?? null) === null ? '' : code(setting.default);
  const notes = [
    setting.flag && `${code(name)} in the library`,
    setting.cachedOnly && 'mode cached only',
    setting.freeOnResume && 'may change on `--resume`',
  ];
  return [code(`--${flagOf(name, setting)}`), values, usual, setting.help, notes.filter(Boolean).join('; ')];
}

function tableOf(settings, rules) {
  const head = ['flag', 'values', 'default', 'meaning', 'notes'];
  const rows = Object.entries(settings).map(([name, setting]) => rowOf(name, setting, rules));
  const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
  return lines.join('\n');
}

function valueSchema({ type, choices, only, formerly = {}, least, most, above, below, off }) {
  if (only) return { enum: [...only, null] };
  if (choices) return { enum: [...choices, ...Object.keys(formerly), null] };
  if (type === 'text') return { type: ['string', 'null'], minLength: 1 };
  if (type === 'boolean') return { type: ['boolean', 'null'] };
  const bounds = { minimum: least, maximum: most, exclusiveMinimum: above, exclusiveMaximum: below };
  const range = { type: [type, 'null'], ...bounds };
  return off === undefined ? range : { anyOf: [{ const: off }, range] };
}

/** Of what `train --config` takes: each setting by both of its names, and null for "not set". */
function schemaOf({ flags, namesOf }, defaults) {
  const properties = Object.entries(flags).flatMap(([flag, rule]) => {
    const usual = defaults[rule.setting];
    const schema = {
      description: rule.help,
      ...valueSchema(rule),
      ...(usual !== null && { default: usual }),
    };
    return [...new Set(namesOf(flag, rule))].map((name) => [name, schema]);
  });
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Settings of dinov3-seg train',
    description: 'A file for `dinov3-seg train --config FILE`.',
    type: 'object',
    properties: Object.fromEntries(properties),
    additionalProperties: false,
  };
}

/** The texts of the files, by their paths. */
export async function settingsFiles() {
  const { trainSettings } = await load('train/settings.js');
  const { trainDefaults } = await load('train/config.js');
  const { default: train } = await load('cli/train.js');
  const { outputFlags } = await load('cli/output.js');
  const { namesOf } = await load('cli/configuration.js');
  const before = readFileSync(join(root, page), 'utf8');
  const [from, to] = [before.indexOf(begin) + begin.length, before.indexOf(end)];
  const table = tableOf(trainSettings, await load('setting.js'));
  const text = `${before.slice(0, from)}\n\n${table}\n\n${before.slice(to)}`;
  const schema = schemaOf({ flags: { ...train.flags, ...outputFlags }, namesOf }, trainDefaults);
  const written = async (path, content) => {
    const filepath = join(root, path);
    return [path, await prettier.format(content, { ...(await prettier.resolveConfig(filepath)), filepath })];
  };
  return new Map([await written(page, text), await written(schemaFile, JSON.stringify(schema))]);
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  for (const [path, text] of await settingsFiles()) writeFileSync(join(root, path), text);
