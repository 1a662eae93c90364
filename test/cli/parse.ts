import t from 'tap';
import { parseCommandLine, usageText, UsageError } from '../../lib/cli/parse.js';

const syntax = {
  name: 'paint',
  summary: 'Paints.',
  flags: {
    model: { type: 'text', value: 'FILE', required: true, help: 'the model' },
    'image-size': { type: 'integer', least: 32, value: 'N', help: 'size' },
    lr: { type: 'number', least: 0, most: 1, value: 'X', help: 'rate' },
    dtype: { type: 'text', choices: ['float32', 'bfloat16'], help: 'precision' },
    json: { type: 'boolean', help: 'as JSON' },
  },
  positionals: { name: 'IMAGE…', help: 'images', least: 1, most: 2 },
} as const;

t.test('flags and arguments are read in any order', async (t) => {
  const argv = ['a.png', '--lr=1e-3', '--model', 'm.pt', '--json', '--image-size', '64', 'b.png'];
  const { flags, positionals } = parseCommandLine(syntax, argv);
  t.same({ ...flags }, { lr: 1e-3, model: 'm.pt', json: true, 'image-size': 64 });
  t.same(positionals, ['a.png', 'b.png']);
});

t.test('after -- everything is an argument', async (t) => {
  t.same(parseCommandLine(syntax, ['--model', 'm', '--', '--json']).positionals, ['--json']);
});

t.test('-h wins over everything that is wrong', async (t) => {
  t.ok(parseCommandLine(syntax, ['-h']).help);
  t.ok(parseCommandLine(syntax, ['--help', '--lr', 'x']).help);
});

t.test('a wrong command line is refused with what was expected', async (t) => {
  const cases: [string[], RegExp][] = [
    [['--modle', 'm', 'a'], /no flag --modle\. Did you mean "--model"\?/],
    [['-x', 'a'], /no flag -x\./],
    [['a'], /--model FILE is missing: the model/],
    [['--model', 'm'], /IMAGE… is missing: images/],
    [['--model', 'm', 'a', 'b', 'c'], /"c" is one argument too many: paint takes 2/],
    [['--model'], /--model needs a value: the model/],
    [['--model', '--json', 'a'], /--model needs a value/],
    [['--model=', 'a'], /--model needs a value/],
    [['--model', 'm', '--model', 'n', 'a'], /--model is given twice/],
    [['--model', 'm', '--lr', 'fast', 'a'], /--lr should be a number from 0 to 1; "fast" was given/],
    [['--model', 'm', '--lr', '-1', 'a'], /--lr should be a number from 0 to 1; "-1" was given/],
    [['--model', 'm', '--image-size', '64.5', 'a'], /--image-size should be a whole number from 32; "64.5"/],
    [
      ['--model', 'm', '--dtype', 'float23', 'a'],
      /one of float32, bfloat16; "float23" was given\. Did you mean "float32"/,
    ],
    [['--model', 'm', '--json=yes', 'a'], /--json takes no value; "yes" was given/],
  ];
  for (const [argv, message] of cases)
    t.throws(() => parseCommandLine(syntax, argv), { name: 'UsageError', message }, argv.join(' '));
  t.ok(new UsageError('x') instanceof Error);
});

t.test('the usage text lists what is required, and every flag', async (t) => {
  const text = usageText(syntax);
  t.match(text, /^usage: dinov3-seg paint --model FILE \[flags\] IMAGE…\n/);
  for (const flag of ['--image-size N', '--lr X', '--dtype float32|bfloat16', '--json ', '-h, --help'])
    t.ok(text.includes(flag), flag);
});
