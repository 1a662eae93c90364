// Builds native/<name>/prebuilds/<platform>-<arch>/: loader.node; engine.node and cuda_ops.so for each given libtorch, with CUDA or
// without; cuda_kernels.so, where there is an nvcc. Says what it leaves out.
//   node scripts/prebuild.mjs [--libtorch DIR …] [--fresh]
// Without --libtorch: the libtorch that the package finds. --fresh compiles everything again.
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findOrInstallLibtorch, root, run, say } from './native-build.mjs';
import { buildEnvironment } from './setup/build-jobs.mjs';
import { buildKernels, kernelsFile } from './setup/cuda-kernels.mjs';

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

/** What is missing of a package for CUDA, one line each. */
const leftOut = [];

function checkOperators({ series, root: folder }) {
  const prebuilds = join(root, 'native', `torch-${series}`, 'prebuilds');
  if (!readdirSync(prebuilds, { recursive: true }).some((name) => name.endsWith('cuda_ops.so')))
    leftOut.push(
      `cuda_ops.so for libtorch ${series}: no headers of CUDA (cuda_runtime_api.h) in a CUDA toolkit or beside ${folder}`,
    );
}

async function prebuildKernels(fresh) {
  const folder = join(root, 'native/cuda-kernels/prebuilds', `${process.platform}-${process.arch}`);
  rmSync(folder, { recursive: true, force: true });
  const { usableCores } = await import('../dist/native/cores.js');
  const { freeMemory } = await import('../dist/native/free-memory.js');
  const env = buildEnvironment(process.env, usableCores(), freeMemory());
  if (!(await buildKernels(root, { fresh, env, runIn: run, onProgress: say }))) {
    leftOut.push('cuda_kernels.so: no CUDA compiler (nvcc) in $CUDACXX, /usr/local/cuda or the PATH');
    return;
  }
  mkdirSync(folder, { recursive: true });
  copyFileSync(join(root, kernelsFile), join(folder, 'cuda_kernels.so'));
  run('strip', [join(folder, 'cuda_kernels.so')]);
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
    checkOperators(libtorch);
  }
  await prebuildKernels(values.fresh);
  const compared = libtorches.flatMap((libtorch) => ['--libtorch', libtorch.root]);
  run(process.execPath, ['scripts/check-binaries.mjs', ...compared]);
  for (const what of leftOut) say(`left out: ${what}`);
  if (leftOut.length > 0)
    say("without these, the package uses libtorch's own operators on CUDA, and warns of it");
} catch (error) {
  say(error.message);
  process.exit(1);
}
