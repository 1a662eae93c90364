/** Odd objects of polygons: no command loses an annotation by one, and all of them tell of it. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { runCommand } from '../helpers/command-line.js';
import { asFlags, tinySettings } from '../helpers/tiny-run.js';

const root = t.testdir();
const [width, height] = [96, 64];
const { model, data } = await tinySettings(root, { train: 3, val: 1, width, height });
const corners = (x: number, y: number, w: number, h: number) => [[x, y], [x + w, y], [x + w, y + h], [x, y + h]]; // prettier-ignore
const objects = [
  { label: 'sky', polygon: corners(0, 0, width, 30) },
  { label: 'road', polygon: corners(0, 30, width, 34) },
  { label: 'hydrant', polygon: corners(10, 10, 20, 20) },
  { label: 'car', polygon: [] },
  { label: 'car', polygon: [[5, 5], [9, 9]] }, // prettier-ignore
];
for (const split of ['train', 'val']) {
  const folder = join(data, 'gtFine', split, 'scene');
  for (const name of readdirSync(folder)) {
    rmSync(join(folder, name));
    const annotation = join(folder, name.replace(/_gtFine_.*/, '_gtFine_polygons.json'));
    writeFileSync(annotation, JSON.stringify({ imgWidth: width, imgHeight: height, objects }));
  }
}
const flags = asFlags({ model, data, imageSize: 64, device: 'cpu' });
const skipped = (count: number) =>
  `${count} objects with fewer than three corners skipped: "car" (${count}).`;
const unknown = (count: number) =>
  `${count} object${count === 1 ? '' : 's'} with unknown labels drawn without a class (255): "hydrant" (${count}).`;
const place = (split: string) => `warning: ${split}: `;
const run = (mode: string) => join(root, mode);
const refuse = ['--unknown', 'refuse'];

/** The messages, and that refusing ends with exit code 1 and names the label. */
async function check(command: string[], messages: string[]) {
  await t.test(command.slice(0, 2).join(' '), async (t) => {
    // A live run that fails leaves its folder.
    const strict = await runCommand([
      ...command.map((each) => (each === run('live') ? run('strict') : each)),
      ...refuse,
    ]);
    t.equal(strict.code, 1);
    t.match(strict.stderr + strict.stdout, /hydrant/);
    const { code, stdout, stderr } = await runCommand(command);
    t.equal(code, 0, stderr);
    for (const message of messages) t.ok((stderr + stdout).includes(message), `${message}\n${stderr}`);
  });
}

const both = [place('train') + skipped(6), place('train') + unknown(3), place('val') + skipped(2), place('val') + unknown(1)]; // prettier-ignore
const cache = join(root, 'cache');
await check(['data', 'check', data], both);
await check(['cache', 'make', cache, ...flags], both);
for (const mode of ['cached', 'live'])
  await check(['train', '--mode', mode, '--out', run(mode), ...flags, '--epochs', '1'], both);
const network = ['--model', model, '--device', 'cpu', '--data', data, '--image-size', '64'];
await check(['eval', ...network, '--head', join(run('live'), 'best.safetensors')], [skipped(2), unknown(1)]);
await check(
  [
    'compare',
    ...network,
    ...['cached', 'live'].flatMap((mode) => ['--head', join(run(mode), 'best.safetensors')]),
  ],
  [skipped(2), unknown(1)],
);
t.test('a run keeps the warnings in its log, and labels without a class are 255', async (t) => {
  for (const mode of ['cached', 'live'])
    t.match(readFileSync(join(run(mode), 'training.log'), 'utf8'), place('train') + skipped(6));
  const strict = await runCommand(['cache', 'make', cache, ...flags, ...refuse]);
  t.equal(strict.code, 1);
  t.match(strict.stderr, /^CACHE: [^]*unknown labels refused/m, 'a cache with ignored labels is another one');
});
await check(['prepare', 'idd', data], [skipped(8), unknown(4)]);

t.test('labels of one class are told of before the pass', async (t) => {
  const one = await tinySettings(join(root, 'one'), { train: 2, val: 1, width, height });
  for (const split of ['train', 'val']) {
    const folder = join(one.data, 'gtFine', split, 'scene');
    for (const name of readdirSync(folder)) {
      rmSync(join(folder, name));
      const annotation = join(folder, name.replace(/_gtFine_.*/, '_gtFine_polygons.json'));
      const only = objects.slice(1, 3);
      writeFileSync(annotation, JSON.stringify({ imgWidth: width, imgHeight: height, objects: only }));
    }
  }
  const own = flags.map((each) => (each === data ? one.data : each));
  const made = await runCommand(['cache', 'make', join(root, 'one/cache'), ...own]);
  t.equal(made.code, 0, made.stderr);
  t.match(
    made.stderr,
    /warning: All labels contain the class "road" only: .* \(2 of 2 training labels read\)\n[^]* made in/,
  );
});
