// The programs of examples/, on the network and the photos that the demo left in a project.
/* global Blob, FormData */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { root } from '../native-build.mjs';
import { bareEnv, bin, expect, fail, use } from './sandbox.mjs';

const example = (project, name) => join(project, 'node_modules/dinov3-seg/examples', name);

/** @returns the files of a network and head, and a photo. */
export function checkExamples(project, env) {
  const images = readdirSync(join(project, 'demo/unseen/leftImg8bit/val'), {
    recursive: true,
    encoding: 'utf8',
  })
    .filter((name) => /\.(png|jpg)$/.test(name))
    .map((name) => join('demo/unseen/leftImg8bit/val', name));
  const files = ['demo/model.pt', 'demo/runs/class_embed-1/best.safetensors'];
  const esm = use(project, 'node', [example(project, 'esm.mjs'), ...files, images[0]], env).stdout;
  const commonjs = use(project, 'node', [example(project, 'commonjs.cjs'), ...files, images[0]], env).stdout;
  expect(/: \d+\.\d+ %/.test(esm), `esm.mjs printed ${esm}`);
  expect(esm === commonjs, `esm.mjs and commonjs.cjs differ:\n${esm}\n${commonjs}`);
  const pool = use(
    project,
    'node',
    [example(project, 'worker-pool.mjs'), ...files, '2', ...images.slice(0, 4)],
    env,
  ).stdout;
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

/** The packages of the server alone are the reader's to install. */
export async function checkServer(project, env, { files, image }) {
  const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const packages = ['fastify', '@fastify/multipart', 'prom-client'].map(
    (name) => `${name}@${devDependencies[name]}`,
  );
  use(project, 'npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', ...packages]);
  const server = spawn(join(bin, 'node'), [example(project, 'fastify-server/server.mjs'), ...files], {
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
