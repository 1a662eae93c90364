#!/usr/bin/env node
// What prebuildify calls in place of node-gyp (scripts/prebuild.mjs): builds with cmake-js and leaves the one binary
// that is wanted in build/Release; with an engine also cuda_ops.so, which prebuildify takes along. Only what has changed is
// compiled, so a build that is current serves as it is.
//   PREBUILD_BINARY     loader or torch-<minor>
//   PREBUILD_LIBTORCH   folder of the libtorch to build for
//   PREBUILD_FRESH=1    compile everything anew
import { copyFileSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { buildAddon, builtFile, root } from './native-build.mjs';

const { PREBUILD_BINARY: name, PREBUILD_LIBTORCH: folder, PREBUILD_FRESH } = process.env;
const { examine } = await import('../dist/native/libtorch/find-libtorch.js');
await buildAddon(examine(folder, 'PREBUILD_LIBTORCH'), {
  fresh: PREBUILD_FRESH === '1',
  cudaOps: true,
  cudaKernels: false,
});
const release = join(root, 'build/Release');
rmSync(release, { recursive: true, force: true });
mkdirSync(release, { recursive: true });
const operators = join(dirname(builtFile(name)), 'cuda_ops.so');
for (const file of [builtFile(name), operators].filter((file) => existsSync(file)))
  copyFileSync(file, join(release, basename(file)));
