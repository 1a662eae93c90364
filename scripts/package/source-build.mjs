// A build from source of an installed package, as docs/install.md says, up to where the long part begins.
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { attempt, bareEnv, expect, fail, findProgram, makeProject, scratch, use } from './sandbox.mjs';

/** cmake, except that of a build only the loader is compiled, which takes a second; then it fails. */
const onlyTheLoader = (cmake, marks) => `#!/bin/sh
if [ "$1" = --build ]; then
  "${cmake}" --build "$2" --config Release --target loader && touch "${marks}/built"
  echo 'check-package: stopped before the engine' >&2
  exit 1
fi
"${cmake}" "$@" || exit $?
case "$*" in *-DLIBTORCH*) touch "${marks}/configured" ;; esac
`;

/** @param env where libtorch is */
export function checkSourceBuild(tarball, env) {
  const project = makeProject('source');
  const build = ['explore', 'dinov3-seg', '--', 'npm', 'run', 'build:native'];
  const install = ['install', '--no-audit', '--no-fund'];
  use(project, 'npm', [...install, tarball]);
  const tools = { ...env, PATH: [bareEnv.PATH, process.env.PATH].join(delimiter) };
  const without = attempt(project, 'npm', build, tools);
  expect(
    without.code !== 0 && (without.stdout + without.stderr).includes('cmake-js@8 node-addon-api@8'),
    `a build without cmake-js ended with ${without.code}:\n${without.stdout}${without.stderr}`,
  );

  use(project, 'npm', [...install, '--save-dev', 'cmake-js@8', 'node-addon-api@8']);
  const bin = join(scratch, 'bin-cmake');
  mkdirSync(bin);
  writeFileSync(join(bin, 'cmake'), onlyTheLoader(findProgram('cmake'), bin));
  chmodSync(join(bin, 'cmake'), 0o755);
  const { stdout, stderr } = attempt(project, 'npm', build, {
    ...tools,
    PATH: [bin, tools.PATH].join(delimiter),
  });
  for (const reached of ['configured', 'built'])
    if (!existsSync(join(bin, reached))) fail(`The source build was not ${reached}:\n${stdout}${stderr}`);
  const loader = 'node_modules/dinov3-seg/native/loader/build/Release/loader.node';
  expect(existsSync(join(project, loader)), `The source build left no ${loader}.`);
  return 'says which packages it needs; with them: configured, loader compiled';
}
