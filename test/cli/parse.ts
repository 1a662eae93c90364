import t from 'tap';
import { completeInput, readArguments, usageText, UsageError } from '../../lib/cli/parse.js';

const syntax = {
  name: 'paint',
  summary: 'Paints.',
  flags: {
    model: { type: 'text', value: 'FILE', required: true, help: 'the model' },
    'image-size': { type: 'integer', least: 32, value: 'N', help: 'size' },
    lr: { type: 'number', least: 0, most: 1, value: 'X', help: 'rate' },
    dtype: { type: 'text', choices: ['float32', 'bfloat16'], help: 'precision' },
    json: { type: 'boolean', help: 'as JSON' },
    seed: { type: 'integer', default: 7, value: 'N', help: 'of all that is random' },
  },
  positionals: { name: 'IMAGE…', help: 'images', least: 1, most: 2 },
} as const;

function parseCommandLine(argv: string[]) {
  return completeInput(syntax, readArguments(syntax, argv));
}

t.test('flags and arguments are read in any order', async (t) => {
  const argv = ['a.png', '--lr=1e-3', '--model', 'm.pt', '--json', '--image-size', '64', 'b.png'];
  const { flags, positionals } = parseCommandLine(argv);
  t.same({ ...flags }, { lr: 1e-3, model: 'm.pt', json: true, 'image-size': 64, seed: 7 });
  t.same(positionals, ['a.png', 'b.png']);
});

t.test('a flag that takes several values gives a list, in the given order', async (t) => {
  const flags = {
    model: { ...syntax.flags.model, times: 2 },
    dtype: { ...syntax.flags.dtype, times: 2 },
  };
  const read = (argv: string[]) => {
    const several = { name: 'paint', summary: 'Paints.', flags } as const;
    return { ...completeInput(several, readArguments(several, argv)).flags };
  };
  t.same(read(['--model', 'a,b']), { model: ['a,b'] }, 'names of files may have commas');
  t.same(read(['--model', 'b', '--dtype=bfloat16,float32', '--model', 'a']), {
    model: ['b', 'a'],
    dtype: ['bfloat16', 'float32'],
  });
  const cases: [string[], RegExp][] = [
    [['--model', 'a', '--model', 'b', '--model', 'c'], /--model takes 1 to 2 values, not 3/],
    [['--model', 'a', '--dtype', 'float32,float32,float32'], /--dtype takes 1 to 2 values, not 3/],
    [['--model', 'a', '--dtype', 'float32,'], /--dtype should be one of float32, bfloat16, not ""/],
    [[], /Missing --model FILE/],
  ];
  for (const [argv, message] of cases) t.throws(() => read(argv), { name: 'UsageError', message });
});

t.test('after -- everything is an argument', async (t) => {
  t.same(parseCommandLine(['--model', 'm', '--', '--json']).positionals, ['--json']);
});

t.test('-h wins over everything that is wrong', async (t) => {
  t.ok(readArguments(syntax, ['-h']).help);
  t.ok(readArguments(syntax, ['--help', '--lr', 'x']).help);
});

t.test('a wrong command line is refused with what was expected', async (t) => {
  const cases: [string[], RegExp][] = [
    [['--modle', 'm', 'a'], /Unknown flag --modle\. Did you mean "--model"\?/],
    [['-x', 'a'], /Unknown flag -x\./],
    [['a'], /Missing --model FILE: the model/],
    [['--model', 'm'], /Missing IMAGE…: images/],
    [
      ['--model', 'm', 'a', 'b', 'c'],
      /Unexpected argument "c": paint accepts at most 2 arguments \(IMAGE…\)/,
    ],
    [['--model'], /--model needs a value: the model/],
    [['--model', '--json', 'a'], /--model needs a value/],
    [['--model=', 'a'], /--model needs a value/],
    [['--model', 'm', '--model', 'n', 'a'], /--model is given twice/],
    [['--model', 'm', '--lr', 'fast', 'a'], /--lr should be a number from 0 to 1, not "fast"/],
    [['--model', 'm', '--lr', '-1', 'a'], /--lr should be a number from 0 to 1, not "-1"/],
    [
      ['--model', 'm', '--image-size', '64.5', 'a'],
      /--image-size should be a whole number of at least 32, not "64.5"/,
    ],
    [
      ['--model', 'm', '--dtype', 'float23', 'a'],
      /one of float32, bfloat16, not "float23"\. Did you mean "float32"/,
    ],
    [['--model', 'm', '--json=yes', 'a'], /--json accepts no value except =true or =false, not "yes"/],
  ];
  for (const [argv, message] of cases)
    t.throws(() => parseCommandLine(argv), { name: 'UsageError', message }, argv.join(' '));
  t.ok(new UsageError('x') instanceof Error);
});

t.test('the command line wins over a file, a file over defaults, and =false over true', async (t) => {
  const file = {
    flags: { model: 'file.pt', lr: 0.5, seed: 3, json: true },
    positionals: ['file.png'],
  };
  t.same(completeInput(syntax, readArguments(syntax, []), file), file);
  const line = readArguments(syntax, ['--lr', '0.1', '--json=false', 'a.png']);
  t.same(completeInput(syntax, line, file), {
    flags: { model: 'file.pt', lr: 0.1, seed: 3 },
    positionals: ['a.png'],
  });
});

t.test('the usage text lists what is required, and every flag', async (t) => {
  const text = usageText(syntax);
  t.match(text, /^usage: dinov3-seg paint --model FILE \[flags\] IMAGE…\n/);
  for (const flag of [
    '--image-size N',
    '--lr X',
    '--dtype float32|bfloat16',
    '--json ',
    '-h, --help',
    '(default 7)',
  ])
    t.ok(text.includes(flag), flag);
});
