// The package installed by npm, pnpm and Yarn, by each of them again from its lock file, with all scripts allowed; after
// every one of these it has to work.
import { copyFileSync, existsSync, rmSync } from 'node:fs';
import { delimiter, join, sep } from 'node:path';
import { root } from '../native-build.mjs';
import { bin, expect, linkPrograms, makeProject, scratch, step, use } from './sandbox.mjs';

/** Not from corepack, which not every Node.js has. */
const tools = { pnpm: 'pnpm@10.34.9', yarn: '@yarnpkg/cli-dist@4.18.1' };

const toolFolder = join(scratch, 'tools');
const quiet = ['--no-audit', '--no-fund'];
/** npm 11 asks before it runs an install script; earlier versions do not know the setting. */
const npmEnv = { npm_config_dangerously_allow_all_scripts: 'true' };

/** What the first manager's package computed; the others' must agree. */
let reference;

/**
 * Uses an installed package: as a library, and by its command.
 *
 * @param run how programs of the project are started: `node` with arguments, and the package's own command.
 * @returns the folder of the package.
 */
function exercise(project, run, env) {
  copyFileSync(join(root, 'scripts/package/exercise.mjs'), join(project, 'exercise.mjs'));
  const { folder, ...computed } = JSON.parse(run.node(['exercise.mjs'], env).stdout);
  reference ??= computed;
  const [now, first] = [computed, reference].map((values) => JSON.stringify(values));
  expect(now === first, `the package computed\n${now}\nhere, and\n${first}\nin the first installation`);
  expect(existsSync(join(folder, 'package.json')), `${folder} is not on the disk`);
  const report = JSON.parse(run.command(['doctor', '--json'], env).stdout);
  expect(report.ok, `doctor finds faults: ${JSON.stringify(report)}`);
  return folder;
}

async function checkNpm(tarball, env) {
  const project = makeProject('npm');
  const npm = (...args) => use(project, 'npm', [...args, ...quiet], npmEnv);
  const run = {
    node: (args, env) => use(project, 'node', args, env),
    command: (args, env) => use(project, 'npx', ['--no-install', 'dinov3-seg', ...args], env),
  };
  const again = (name, install) =>
    step(name, () => {
      install();
      exercise(project, run, env);
    });
  await again('npm install', () => npm('install', tarball));
  await again('npm ci', () => {
    rmSync(join(project, 'node_modules'), { recursive: true });
    npm('ci');
  });
  await again('npm install, a second time', () => npm('install'));
  await again('npm rebuild', () => npm('rebuild'));
}

/** npm keeps its settings in files of its own; what Yarn needs of them to reach the registry. */
function yarnRegistry() {
  const names = {
    registry: 'YARN_NPM_REGISTRY_SERVER',
    cafile: 'YARN_HTTPS_CA_FILE_PATH',
    proxy: 'YARN_HTTP_PROXY',
    'https-proxy': 'YARN_HTTPS_PROXY',
  };
  const pairs = Object.entries(names).map(([name, variable]) => [
    variable,
    use(scratch, 'npm', ['config', 'get', name]).stdout.trim(),
  ]);
  return Object.fromEntries(pairs.filter(([, value]) => !['', 'null', 'undefined'].includes(value)));
}

async function checkPnpm(tarball, env) {
  const project = makeProject('pnpm');
  // The commands that pnpm makes are shell scripts.
  const path = [bin, linkPrograms(join(scratch, 'bin-pnpm'), ['dirname', 'sed', 'uname'])].join(delimiter);
  const program = join(toolFolder, 'node_modules/pnpm/bin/pnpm.cjs');
  const pnpm = (args, more = {}) =>
    use(project, 'node', [program, ...args], {
      ...more,
      PATH: path,
      npm_config_store_dir: join(scratch, 'pnpm-store'),
    });
  // A package with a script that waits for approval would be an error.
  const strict = '--config.strict-dep-builds=true';
  const run = {
    node: (args, env) => use(project, 'node', args, env),
    command: (args, env) => pnpm(['exec', 'dinov3-seg', ...args], env),
  };
  await step('pnpm add', () => {
    const { stdout, stderr } = pnpm(['add', strict, tarball]);
    expect(!/build scripts/i.test(stdout + stderr), `pnpm speaks of build scripts:\n${stdout}${stderr}`);
    exercise(project, run, env);
    return 'no script to approve';
  });
  await step('pnpm install --frozen-lockfile', () => {
    rmSync(join(project, 'node_modules'), { recursive: true });
    pnpm(['install', strict, '--frozen-lockfile']);
    exercise(project, run, env);
  });
}

/** Whether `require` finds the dependencies of an ES module under Plug'n'Play: since Node.js 22.15. */
const requiresUnderPnp = () => {
  const [major, minor] = process.versions.node.split('.').map(Number);
  return major > 22 || (major === 22 && minor >= 15);
};

async function checkYarn(tarball, env, linker) {
  const project = makeProject(`yarn-${linker}`, {
    '.yarnrc.yml': `nodeLinker: ${linker}\n`,
    'yarn.lock': '',
  });
  const yarnEnv = {
    ...yarnRegistry(),
    YARN_GLOBAL_FOLDER: join(scratch, 'yarn-global'),
    YARN_ENABLE_TELEMETRY: '0',
    YARN_ENABLE_SCRIPTS: 'true',
  };
  const program = join(toolFolder, 'node_modules/@yarnpkg/cli-dist/bin/yarn.js');
  const yarn = (args, more = {}) => use(project, 'node', [program, ...args], { ...yarnEnv, ...more });
  const run = {
    node: (args, env) => yarn(['node', ...args], env),
    command: (args, env) => yarn(['dinov3-seg', ...args], env),
  };
  const checkFolder = (folder) => {
    const expected = linker === 'pnp' ? ['.yarn', 'unplugged', ''] : ['node_modules', 'dinov3-seg'];
    expect(folder.includes(expected.join(sep)), `the package lies in ${folder}`);
  };
  await step(`Yarn with ${linker}: add`, () => {
    yarn(['add', `dinov3-seg@file:${tarball}`]);
    checkFolder(exercise(project, run, env));
    if (!requiresUnderPnp() && linker === 'pnp') return `import only; require needs Node.js 22.15`;
    const script = "console.log(require('dinov3-seg').Tensor.from(new Float32Array(2), [2]).shape.length)";
    expect(run.node(['-e', script], env).stdout.trim() === '1', 'require gives another package');
    return 'import and require';
  });
  await step(`Yarn with ${linker}: install --immutable`, () => {
    for (const name of ['node_modules', '.pnp.cjs', '.pnp.loader.mjs', '.yarn'])
      rmSync(join(project, name), { recursive: true, force: true });
    yarn(['install', '--immutable']);
    checkFolder(exercise(project, run, env));
  });
}

/** @param env where libtorch is */
export async function checkManagers(tarball, env) {
  await checkNpm(tarball, env);
  await step('package managers', () => {
    use(scratch, 'npm', [
      'install',
      '--prefix',
      toolFolder,
      '--ignore-scripts',
      ...quiet,
      ...Object.values(tools),
    ]);
    return Object.values(tools).join(', ');
  });
  await checkPnpm(tarball, env);
  for (const linker of ['node-modules', 'pnp']) await checkYarn(tarball, env, linker);
}
