/** What pages name and is not there: links, commands and their flags, files, npm scripts, exports. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { blocksOf } from './blocks.mjs';
import { headingIds, inlineCode, linksOf, proseOf } from './prose.mjs';

/** Flags of other programs that pages name in their text. */
const otherFlags = new Set([
  'external',
  'gpus-per-task',
  'ignore-scripts',
  'logdir',
  'nnodes',
  'ntasks',
  'packages',
  'platform',
  'rdzv-endpoint',
  'scene-folder',
  'time-limit',
]);

const sourceFolders = [
  'lib',
  'cpp',
  'scripts',
  'test',
  'bench',
  'report',
  'docs',
  'examples',
  'models',
  'maps',
  'packages',
];
const pathPattern = new RegExp(`^(${sourceFolders.join('|')})/[\\w./-]+$`);

/** Names in code like `passSize`: a stale one is in no source. */
const camelPattern = /^[a-z]+(?:[A-Z][a-z0-9]*)+$/;

async function commandTable(root) {
  const folder = join(root, 'dist/cli');
  const flags = new Map();
  const shared = Object.keys({
    ...(await import(join(folder, 'configuration.js'))).configurationFlags,
    ...(await import(join(folder, 'output.js'))).outputFlags,
    help: {},
  });
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.js') && name !== 'main.js')) {
    const { default: command } = await import(join(folder, file));
    if (command?.run) flags.set(command.name, new Set([...Object.keys(command.flags), ...shared]));
  }
  return flags;
}

/** Commands of `dinov3-seg` in a text: the words of each up to the end of its line. */
function commandLines(text) {
  const joined = text.replaceAll('\\\n', ' ');
  return [...joined.matchAll(/(?:^|[\s;&|(])dinov3-seg[ \t]+([^\n;&|#]*)/g)].map(([, words]) =>
    words.trim().split(/\s+/),
  );
}

function* commandFaults(words, table) {
  const [name, ...rest] = words;
  if (/^(-h|--help|--version|--|COMMAND|…)$/.test(name)) return;
  const flags = table.get(name);
  if (!flags) return yield `there is no command "${name}"`;
  for (const word of rest) {
    const [, flag] = /^\[?--([\w-]+)/.exec(word) ?? [];
    if (flag && !flags.has(flag)) yield `dinov3-seg ${name} has no flag --${flag}`;
  }
}

function readSources(root) {
  const folders = ['lib', 'cpp', 'report', 'scripts', 'bench', 'packages'];
  const texts = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(ts|mjs|cpp|h|cu|py|js)$/.test(name))
      .map((name) => readFileSync(join(root, folder, name), 'utf8')),
  );
  return new Set(texts.join('\n').match(/\b[a-z]+(?:[A-Z][a-z0-9]*)+\b/g));
}

function* linkFaults(page, text, root) {
  const own = join(root, page);
  const ids = (path) => headingIds(path === own ? text : readFileSync(path, 'utf8'));
  for (const target of linksOf(text)) {
    if (/^[a-z]+:/.test(target)) continue;
    const [file, anchor] = target.split('#');
    const path = file === '' ? own : join(root, dirname(page), file);
    if (path !== own && !existsSync(path)) yield `the link ${target} leads nowhere`;
    else if (anchor && path.endsWith('.md') && !ids(path).has(anchor))
      yield `the link ${target}: there is no such heading`;
  }
}

function* codeFaults(span, { table, anyFlag, words, root }) {
  for (const line of commandLines(span)) yield* commandFaults(line, table);
  if (!span.includes('dinov3-seg '))
    for (const [, flag] of span.matchAll(/(?:^|\s)--([a-z][\w-]*)/g))
      if (/^--/.test(span) && !anyFlag.has(flag)) yield `no command has a flag --${flag}`;
  for (const word of span.split(/\s+/))
    if (pathPattern.test(word) && !existsSync(join(root, word))) yield `there is no ${word}`;
  const [name] = /^[a-zA-Z]+/.exec(span) ?? [];
  if (name && camelPattern.test(name) && /^\w+($|\()/.test(span) && !words.has(name))
    yield `${name} is in no source`;
}

function* scriptFaults(text, scripts) {
  for (const [, name] of text.matchAll(/\bnpm run ([\w:-]+)/g))
    if (!Object.hasOwn(scripts, name)) yield `package.json has no script "${name}"`;
}

function* importFaults(text, exported) {
  for (const [, names] of text.matchAll(/import \{([^}]*)\} from 'dinov3-seg'/g))
    for (const name of names.split(',').map((each) => each.trim().split(' ')[0]))
      if (name && !exported.has(name)) yield `dinov3-seg exports no ${name}`;
}

/**
 * @param {Map<string, string>} pages texts by path
 * @returns {Promise<{ where: string, message: string }[]>}
 */
export async function missingReferences(pages, root) {
  const table = await commandTable(root);
  const anyFlag = new Set([...otherFlags, ...[...table.values()].flatMap((flags) => [...flags])]);
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const exported = new Set(Object.keys(await import(join(root, 'dist/index.js'))));
  const context = { table, anyFlag, words: readSources(root), root };
  const found = [];
  const add = (where, messages) => found.push(...[...messages].map((message) => ({ where, message })));
  for (const [page, text] of pages) {
    const prose = proseOf(text);
    add(page, linkFaults(page, prose, root));
    add(page, scriptFaults(text, scripts));
    for (const span of inlineCode(prose)) add(page, codeFaults(span, context));
    for (const block of blocksOf(text, page)) {
      const where = `${page}:${block.line}`;
      if (block.language === 'js') add(where, importFaults(block.text, exported));
      if (block.language === 'sh')
        for (const line of commandLines(block.text)) add(where, commandFaults(line, table));
    }
  }
  return found;
}
