import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { runCommand } from '../helpers/command-line.js';
import { below, torchFiles } from '../helpers/libtorch.js';
import { writeTree } from '../helpers/temporary.js';
import { wheelOf } from '../helpers/zip.js';

t.test('an install says a few lines, whatever pip prints and however many parts are unpacked', async (t) => {
  const large = { 'lib/libtorch_more.so': Buffer.alloc(3e6, 7) };
  const wheel = wheelOf('torch', '2.13.0+cpu', below('torch', { ...torchFiles(), ...large }));
  const pip = 'i=0; while [ $i -lt 50 ]; do echo "WARNING: Retrying $i"; i=$((i+1)); done';
  const copy = 'while [ "$1" != --dest ]; do shift; done; cp "${0%/bin/*}"/w/*.whl "$2"';
  const root = await writeTree(t, {
    'w/torch-2.13.0+cpu-py3-none-any.whl': wheel,
    'bin/python3': `#!/bin/sh\n${pip}\n${copy}\n`,
  });
  await chmod(join(root, 'bin/python3'), 0o755);
  const install = (home: string, ...flags: string[]) =>
    runCommand(['libtorch', 'install', ...flags], {
      PATH: `${join(root, 'bin')}:${process.env['PATH']}`,
      XDG_CACHE_HOME: join(root, home),
    });
  const { code, stdout, stderr } = await install('a');
  t.equal(code, 0, stderr);
  t.equal(stdout, `${join(root, 'a/dinov3-seg/libtorch/2.13.0-cpu')}\n`);
  t.notMatch(stderr, 'Retrying');
  const lines = stderr.trimEnd().split('\n');
  t.ok(lines.length <= 5, stderr);
  t.equal(lines[0], 'downloading torch 2.13.0 with pip');
  t.match((await install('b', '--verbose')).stderr, 'pip: WARNING: Retrying 49');
});
