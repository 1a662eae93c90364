// Packs the package and uses it as a user would. Prints one line for each step; the parts are in scripts/package.
//   node scripts/check-package.mjs [TARBALL]     without TARBALL: packs first (needs `npm run prebuild`)
// Needs the npm registry, with this machine's npm configuration.
import { execFileSync } from 'node:child_process';
import { readdirSync, rmSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { findOrInstallLibtorch, root } from './native-build.mjs';
import { checkBundle } from './package/bundle.mjs';
import { faultsOfContents, staleFiles, undeclaredPackages } from './package/contents.mjs';
import { checkDockerfile } from './package/docker.mjs';
import { checkModules, checkWithoutLibtorch } from './package/entries.mjs';
import { checkExamples, checkServer } from './package/examples.mjs';
import { checkClone } from './package/from-clone.mjs';
import { checkManagers } from './package/managers.mjs';
import { expect, kibibytes, makeProject, scratch, step, use } from './package/sandbox.mjs';
import { checkSourceBuild } from './package/source-build.mjs';
import { checkTypes } from './package/types.mjs';

function pack() {
  const output = execFileSync('npm', ['pack', '--json', '--pack-destination', scratch], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  // Some versions of npm print the output of scripts before the list.
  return join(scratch, JSON.parse(output.slice(output.search(/^\[/m)))[0].filename);
}

function checkContents(installed) {
  const files = readdirSync(installed, { recursive: true, encoding: 'utf8' }).filter((name) =>
    statSync(join(installed, name)).isFile(),
  );
  const faults = [
    ...faultsOfContents(files, installed),
    ...staleFiles(installed).map((name) => `${name} has no source file.`),
    ...undeclaredPackages(installed).map((name) => `dist/ imports ${name}, which is not a dependency.`),
  ];
  expect(faults.length === 0, faults.join('\n'));
  const binaries = files.filter((name) => /\.(node|so)$/.test(name));
  return binaries.map((name) => `${name} ${kibibytes(join(installed, name))}`).join(', ');
}

try {
  const libtorch = await findOrInstallLibtorch();
  const env = { DINOV3_SEG_LIBTORCH: libtorch.root };
  let tarball = process.argv[2] && resolve(process.argv[2]);
  await step('npm pack', () => {
    tarball ??= pack();
    return `${basename(tarball)} ${kibibytes(tarball)}`;
  });
  const project = makeProject('project');
  await step(
    'npm install --ignore-scripts',
    () => void use(project, 'npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', tarball]),
  );
  await step('contents', () => checkContents(join(project, 'node_modules/dinov3-seg')));
  await step('without a libtorch', () => checkWithoutLibtorch(project));
  await step('require and import', () => checkModules(project, env));
  await step('types', () => checkTypes(project));
  await step('a bundle by esbuild', () => checkBundle(project, env));
  await checkManagers(tarball, env);
  await step('the steps of examples/docker/Dockerfile', () => checkDockerfile('Dockerfile', tarball));
  await step('the steps of examples/docker/Dockerfile.cuda', () =>
    checkDockerfile('Dockerfile.cuda', tarball, {
      without: [[/^RUN dinov3-seg libtorch install --cuda /, 'gigabytes, which no index here has']],
      env,
    }),
  );
  await step('build from source', () => checkSourceBuild(tarball, env));
  await step('a clone without binaries', checkClone);
  await step('npx dinov3-seg demo', () => {
    const { stdout } = use(project, 'npx', ['--no-install', 'dinov3-seg', 'demo', '--out', 'demo'], env);
    return /^mIoU.*$/m.exec(stdout)[0].replace(/ +/g, ' ');
  });
  let pair;
  await step('examples', () => void (pair = checkExamples(project, env)));
  await step('the server example', () => checkServer(project, env, pair));
} catch (error) {
  console.log(`FAILED: ${error.stack}`);
  process.exitCode = 1;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
