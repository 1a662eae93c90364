/** What the check of the pages finds in Markdown: blocks, links, code, and what they name. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { blocksOf } from '../../scripts/docs/blocks.mjs';
import { changed } from '../../scripts/docs/changes.mjs';
import { pagesOf } from '../../scripts/docs/pages.mjs';
import { headingIds, inlineCode, linksOf, proseOf } from '../../scripts/docs/prose.mjs';
import { missingReferences } from '../../scripts/docs/references.mjs';

const page = (...lines: string[]) => `${lines.join('\n')}\n`;

t.test('blocks come with language, line and text', (t) => {
  const text = page(
    '# A',
    '```sh',
    'a',
    '',
    'b',
    '```',
    'prose',
    '~~~',
    '```',
    '~~~',
    '````js x',
    '```',
    '````',
  );
  t.same(blocksOf(text, 'a.md'), [
    { page: 'a.md', line: 2, language: 'sh', text: 'a\n\nb\n' },
    { page: 'a.md', line: 8, language: '', text: '```\n' },
    { page: 'a.md', line: 11, language: 'js', text: '```\n' },
  ]);
  t.same(blocksOf(text.replaceAll('\n', '\r\n'), 'a.md'), blocksOf(text, 'a.md'), 'with CRLF as well');
  t.end();
});

t.test('a comment right above a block says why it is not run, or which file it is', (t) => {
  const text = page(
    ...['<!-- not run: needs a GPU -->', '', '```sh', 'nvidia-smi', '```'],
    ...['<!-- file: a/b.json -->', '```json', '{}', '```', '<!-- another comment -->', '```sh', 'ls', '```'],
  );
  t.match(blocksOf(text, 'a.md'), [
    { notRun: 'needs a GPU', file: undefined },
    { notRun: undefined, file: 'a/b.json' },
    { notRun: undefined, file: undefined },
  ]);
  t.end();
});

t.test('a fence that stays open and a comment without a block are errors that say where', (t) => {
  t.throws(() => blocksOf(page('', '```sh', 'ls'), 'a.md'), {
    message: /a\.md:2: the fence ``` is not closed/,
  });
  t.throws(() => blocksOf(page('<!-- not run: x -->', 'text', '```sh', '```'), 'a.md'), {
    message: /a\.md:1: no block follows <!-- not run/,
  });
  t.end();
});

t.test('a block changes by the table alone: small networks, one epoch, no GPU', (t) => {
  const sh = (text: string) => changed({ language: 'sh', text });
  t.equal(
    sh('dinov3-seg train --model M \\\n  --lr 1\ndinov3-seg eval --model M\n'),
    'dinov3-seg train --epochs 1 --image-size 64 --model M \\\n  --lr 1\ndinov3-seg eval --model M\n',
  );
  const given = 'dinov3-seg train --model M \\\n  --epochs 3 --image-size=32\n';
  t.equal(sh(given), given, 'flags that are given stay');
  t.equal(sh('dinov3-seg features --output T.csv a\n'), 'dinov3-seg features --output T.csv a\n');
  t.match(
    sh('dinov3-seg features --detector D --output T.csv a\n'),
    /features --detector-size 320 --detector D/,
  );
  t.equal(sh('init --arch dinov3_vit7b16_ade20k_m2f --device cuda'), 'init --arch tiny --device cpu');
  const file = 'dinov3_vit7b16_ade20k_m2f_head-bf307cb1.pth';
  t.equal(sh(file), file, 'names of files stay');
  t.equal(changed({ language: 'json', text: '"/data/IDD"' }), '"/data/IDD"');
  t.end();
});

t.test('links, headings and inline code are read outside of blocks', (t) => {
  const text = page(
    ...[
      '# The `first` of *two*',
      '# The first of two',
      '## B & C',
      'A [link](x.md#b), `code',
      'on` `[no](y.md)`.',
    ],
    ...['```sh', '# no heading', '[no](z.md) `no`', '```', '![p](a.png "title")'],
  );
  t.same([...headingIds(text)], ['the-first-of-two', 'the-first-of-two-1', 'b--c']);
  t.same(linksOf(proseOf(text)), ['x.md#b', 'a.png']);
  t.same(inlineCode(proseOf(text)), ['first', 'code on', '[no](y.md)']);
  t.end();
});

t.test('what a page names and is not there is found', async (t) => {
  const good = page(
    ...['# A page', '[up](../README.md#as-a-library) [here](#a-page) [out](https://example.org)', '`--lr`'],
    ...['`dinov3-seg train --model M`', '`npm run demo`', '`lib/index.ts`', '`openSegmenter`', '`--lr N`'],
    ...[
      '```js',
      "import { openSegmenter } from 'dinov3-seg';",
      '```',
      '```sh',
      'dinov3-seg eval --json',
      '```',
    ],
  );
  const bad = page(
    ...['[a](none.md) [b](../README.md#nothing) [c](#nothing)', '`dinov3-seg train --modle M`', '`--modle`'],
    ...['`dinov3-seg trian`', '`npm run build`', '`lib/none.ts`', '`openSegmentor({ model })`'],
    ...['```js', "import { init, drawScene } from 'dinov3-seg';", '```'],
    ...['<!-- not run: as an example -->', '```sh', 'npx dinov3-seg eval \\', '  --jsno', '```'],
  );
  const root = join(import.meta.dirname, '../..');
  const find = async (text: string) => {
    const found = await missingReferences(new Map([['docs/a.md', text]]), root);
    return found.map(({ where, message }) => `${where} ${message}`);
  };
  t.same(await find(good), []);
  t.same(await find(bad), [
    'docs/a.md the link none.md leads nowhere',
    'docs/a.md the link ../README.md#nothing: there is no such heading',
    'docs/a.md the link #nothing: there is no such heading',
    'docs/a.md package.json has no script "build"',
    'docs/a.md dinov3-seg train has no flag --modle',
    'docs/a.md no command has a flag --modle',
    'docs/a.md there is no command "trian"',
    'docs/a.md there is no lib/none.ts',
    'docs/a.md openSegmentor is in no source',
    'docs/a.md:8 dinov3-seg exports no drawScene',
    'docs/a.md:12 dinov3-seg eval has no flag --jsno',
  ]);
});

t.test('the pages name nothing that is not there', async (t) => {
  const root = join(import.meta.dirname, '../..');
  const texts = new Map(pagesOf(root).map((name) => [name, readFileSync(join(root, name), 'utf8')] as const));
  t.same(await missingReferences(texts, root), []);
});
