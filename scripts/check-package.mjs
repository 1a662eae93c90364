// Packs the package and uses it as somebody else would: in an empty folder, installed without scripts, with nothing but
// node, npm and a shell on PATH.
//   node scripts/check-package.mjs [TARBALL]     without TARBALL: packs first (needs `npm run prebuild`)
/* global Blob, FormData */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, delimiter, join, resolve } from 'node:path';
import { checkTypes } from './package-types.mjs';
import { findOrInstallLibtorch, root } from './native-build.mjs';

const scratch = mkdtempSync(join(tmpdir(), 'dinov3-seg-package-'));
const project = join(scratch, 'project');
const installed = join(project, 'node_modules/dinov3-seg');
const kibibytes = (file) => `${(statSync(file).size / 1024).toFixed(0)} KiB`;

function fail(message) {
  throw new Error(message);
}
function expect(condition, message) {
  if (!condition) fail(message);
}

/** A folder with the programs that may be on PATH. */
function makeBin() {
  const bin = join(scratch, 'bin');
  mkdirSync(bin);
  const find = (name) =>
    process.env.PATH.split(delimiter)
      .map((folder) => join(folder, name))
      .find((path) => statSync(path, { throwIfNoEntry: false })) ?? fail(`there is no ${name} on PATH`);
  symlinkSync(process.execPath, join(bin, 'node'));
  for (const name of ['npm', 'npx', 'sh']) symlinkSync(find(name), join(bin, name));
  return bin;
}

const bin = makeBin();
const kept = Object.entries(process.env).filter(
  ([name]) =>
    !/^(npm_(?!config_cache)|LIBTORCH|DINOV3_SEG|LD_|VIRTUAL_ENV|CONDA|NODE_PATH|NODE_OPTIONS)/.test(name),
);
const bareEnv = { ...Object.fromEntries(kept), PATH: bin, OMP_NUM_THREADS: '2' };

/** Runs a program in the project; its output, or an error that shows it. */
function use(command, args, env = {}) {
  const { status, signal, stdout, stderr } = spawnSync(join(bin, command), args, {
    cwd: project,
    env: { ...bareEnv, ...env },
    encoding: 'utf8',
  });
  if (status !== 0) fail(`${command} ${args.join(' ')} ended with ${status ?? signal}:\n${stdout}${stderr}`);
  return { stdout, stderr };
}

async function step(name, action) {
  const started = performance.now();
  const told = await action();
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`ok ${name} (${seconds} s)${told ? `: ${told}` : ''}`);
}

function pack() {
  const output = execFileSync('npm', ['pack', '--json', '--pack-destination', scratch], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  // Some versions of npm let the output of scripts through before the list.
  return join(scratch, JSON.parse(output.slice(output.search(/^\[/m)))[0].filename);
}

function checkFiles() {
  const files = readdirSync(installed, { recursive: true, encoding: 'utf8' });
  const has = (name) => files.includes(name) || fail(`the tarball lacks ${name}`);
  for (const name of ['dist/index.js', 'dist/index.cjs', 'dist/index.d.ts', 'dist/index.d.cts']) has(name);
  for (const name of ['report/page.css', 'report/print.css', 'report/viewer.js']) has(name);
  for (const name of ['LICENSE', 'NOTICE', 'README.md', 'CHANGELOG.md', 'CMakeLists.txt', 'binding.gyp'])
    has(name);
  const ballast = files.filter((name) => /(^|\/)(test|bench|lib|build|\.\w+)(\/|$)|\.map$|\.o$/.test(name));
  expect(ballast.length === 0, `the tarball holds ${ballast.join(', ')}`);
  const sources = readdirSync(join(root, 'lib'), { recursive: true, encoding: 'utf8' });
  const stale = files.filter((name) => {
    const stem = /^dist\/(.*?)(\.d)?\.c?[jt]s$/.exec(name)?.[1];
    return stem && !sources.includes(`${stem}.ts`) && !sources.includes(`${stem}.cts`);
  });
  expect(stale.length === 0, `dist/ holds files without a source: ${stale.join(', ')}`);
  const { scripts } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
  const hooks = ['preinstall', 'install', 'postinstall'].filter((name) => scripts[name]);
  expect(hooks.length === 0, `the package has scripts that run at install: ${hooks.join(', ')}`);
  const binaries = files.filter((name) => name.endsWith('.node'));
  return binaries.map((name) => `${name} ${kibibytes(join(installed, name))}`).join(', ');
}

/** What the first call says where there is no libtorch. */
function checkWithoutLibtorch() {
  const script = `require('dinov3-seg').SegmentationModel.load('model.pt').catch((e) => console.log(JSON.stringify([
    e instanceof require('dinov3-seg').DinoSegError, e.code, e.message])))`;
  const env = { XDG_CACHE_HOME: join(scratch, 'no-cache'), HOME: scratch };
  const [own, code, message] = JSON.parse(use('node', ['-e', script], env).stdout);
  expect(own && code === 'LIBTORCH_NOT_FOUND', `expected LIBTORCH_NOT_FOUND, got ${code}: ${message}`);
  for (const part of ['no-cache/dinov3-seg/libtorch', '/opt/libtorch', 'npx dinov3-seg libtorch install'])
    expect(message.includes(part), `the message does not name ${part}:\n${message}`);
  return message.replaceAll('\n', '\n     ');
}

function checkModules(env) {
  const script = `const r = require('dinov3-seg'); import('dinov3-seg').then((i) => {
    if (i.DinoSegError !== r.DinoSegError || i.train !== r.train) throw new Error('two implementations');
    console.log(Object.keys(i).length); })`;
  const required = use('node', ['-e', script], env);
  const imported = use(
    'node',
    ['--input-type=module', '-e', `import { init } from 'dinov3-seg'; init({});`],
    env,
  );
  const noise = required.stderr + imported.stderr;
  expect(noise === '', `loading writes to stderr: ${noise}`);
  return `${required.stdout.trim()} exports, the same objects by require and import`;
}

function checkExamples(env) {
  const images = readdirSync(join(project, 'demo/unseen/leftImg8bit/val'), {
    recursive: true,
    encoding: 'utf8',
  })
    .filter((name) => /\.(png|jpg)$/.test(name))
    .map((name) => join('demo/unseen/leftImg8bit/val', name));
  const files = ['demo/model.pt', 'demo/runs/class_embed-1/best.safetensors'];
  const example = (name) => join(installed, 'examples', name);
  const esm = use('node', [example('esm.mjs'), ...files, images[0]], env).stdout;
  const commonjs = use('node', [example('commonjs.cjs'), ...files, images[0]], env).stdout;
  expect(/: \d+\.\d+ %/.test(esm), `esm.mjs printed ${esm}`);
  expect(esm === commonjs, `esm.mjs and commonjs.cjs differ:\n${esm}\n${commonjs}`);
  const pool = use('node', [example('worker-pool.mjs'), ...files, '2', ...images.slice(0, 4)], env).stdout;
  const lines = pool
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const first = lines.find(({ image }) => image === images[0]);
  expect(lines.length === 4 && !lines.some(({ error }) => error), `worker-pool.mjs printed ${pool}`);
  for (const [name, percent] of Object.entries(first.percent))
    if (percent >= 0.005)
      expect(esm.includes(`${name}: ${percent.toFixed(2)} %`), `${name}: pool and esm.mjs differ`);
  return { files, image: images[0] };
}

/** The server's two packages are the reader's to install. */
async function checkServer(env, { files, image }) {
  const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const packages = ['fastify', '@fastify/multipart'].map((name) => `${name}@${devDependencies[name]}`);
  use('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', ...packages]);
  const server = spawn(join(bin, 'node'), [join(installed, 'examples/fastify-server/server.mjs'), ...files], {
    cwd: project,
    env: { ...bareEnv, ...env, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = once(server, 'exit');
  try {
    const [address] = await Promise.race([
      once(server.stdout.setEncoding('utf8'), 'data').then(([text]) => /http:\S+/.exec(text)),
      exit.then(([code]) => fail(`server.mjs ended with ${code}`)),
    ]);
    const upload = (bytes, query = '') => {
      const body = new FormData();
      body.append('file', new Blob([bytes]), basename(image));
      return fetch(`${address}/segment${query}`, { method: 'POST', body });
    };
    const bytes = readFileSync(join(project, image));
    const answer = await upload(bytes);
    const { classes } = await answer.json();
    expect(answer.status === 200 && classes.length > 0, `the server answered ${answer.status}`);
    const picture = await upload(bytes, '?output=png');
    expect(picture.headers.get('content-type') === 'image/png', 'the server gave no PNG');
    await picture.arrayBuffer();
    const broken = await upload(bytes.subarray(0, 1000));
    await broken.text();
    expect(broken.status >= 400 && broken.status < 500, `a broken upload got ${broken.status}`);
    server.kill('SIGTERM');
    const [code, signal] = await exit;
    expect(code === 0, `the server ended with ${code ?? signal}`);
    return `${classes.length} classes as JSON, a PNG, ${broken.status} for a broken upload, exit 0`;
  } finally {
    server.kill('SIGKILL');
  }
}

try {
  const libtorch = await findOrInstallLibtorch();
  const env = { DINOV3_SEG_LIBTORCH: libtorch.root };
  let tarball = process.argv[2] && resolve(process.argv[2]);
  await step('npm pack', () => {
    tarball ??= pack();
    return `${basename(tarball)} ${kibibytes(tarball)}`;
  });
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), '{ "private": true }\n');
  await step(
    'npm install --ignore-scripts',
    () => void use('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', tarball]),
  );
  await step('contents', checkFiles);
  await step('without a libtorch', checkWithoutLibtorch);
  await step('require and import', () => checkModules(env));
  await step('types', () => checkTypes(project));
  await step('npx dinov3-seg demo', () => {
    const { stdout } = use('npx', ['--no-install', 'dinov3-seg', 'demo', '--out', 'demo'], env);
    return /^mIoU.*$/m.exec(stdout)[0].replace(/ +/g, ' ');
  });
  let pair;
  await step('examples', () => void (pair = checkExamples(env)));
  await step('the server example', () => checkServer(env, pair));
} catch (error) {
  console.log(`FAILED: ${error.stack}`);
  process.exitCode = 1;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
