// Builds native/<name>/prebuilds/<platform>-<arch>/: loader.node, and one engine.node for each given libtorch.
//   node scripts/prebuild.mjs [--libtorch DIR …] [--fresh]
// Without --libtorch: the libtorch that the package finds. --fresh compiles everything again.
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findOrInstallLibtorch, root, run, say } from './native-build.mjs';

/** The oldest supported Node.js. Through Node-API, the binary also works with all later versions. */
const oldestNode = '20.19.0';

function prebuild(name, libtorch, fresh) {
  const out = join('native', name);
  rmSync(join(root, out, 'prebuilds'), { recursive: true, force: true });
  const file = name === 'loader' ? 'loader' : 'engine';
  const options = ['--napi', '--strip', '--tag-libc', '-t', oldestNode, '--name', file, '--out', out];
  run(join(root, 'node_modules/.bin/prebuildify'), options, {
    env: {
      ...process.env,
      PREBUILD_NODE_GYP: join(root, 'scripts/prebuild-node-gyp.mjs'),
      PREBUILD_BINARY: name,
      PREBUILD_LIBTORCH: libtorch.root,
      PREBUILD_FRESH: fresh ? '1' : '0',
    },
  });
}

try {
  const { values } = parseArgs({
    options: { libtorch: { type: 'string', multiple: true }, fresh: { type: 'boolean', default: false } },
  });
  if (!existsSync(join(root, 'dist/native/libtorch/find-libtorch.js')))
    throw new Error('dist/ is missing. Run `npm run setup` first.');
  const { findLibtorch } = await import('../dist/native/libtorch/find-libtorch.js');
  const libtorches = values.libtorch?.map((folder) => findLibtorch(folder)) ?? [
    await findOrInstallLibtorch(),
  ];
  for (const [index, libtorch] of libtorches.entries()) {
    prebuild(`torch-${libtorch.series}`, libtorch, values.fresh);
    // The loader does not depend on libtorch, so one build is enough.
    if (index === 0) prebuild('loader', libtorch, false);
  }
  const compared = libtorches.flatMap((libtorch) => ['--libtorch', libtorch.root]);
  run(process.execPath, ['scripts/check-binaries.mjs', ...compared]);
} catch (error) {
  say(error.message);
  process.exit(1);
}
