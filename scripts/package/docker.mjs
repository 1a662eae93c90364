// The steps of examples/docker, without Docker: each instruction in a folder that stands for the image, on this machine. Its system
// packages stay as they are, and its own Node.js and user are taken.
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { basename, delimiter, join } from 'node:path';
import { root } from '../native-build.mjs';
import { bin, expect, fail, scratch, use } from './sandbox.mjs';

/** Instructions of a Dockerfile in their order: `{ name: 'RUN', text: 'npm ci' }`. */
export function instructionsOf(text) {
  const lines = text.replaceAll(/^\s*#.*\n/gm, '').replaceAll(/\\\n\s*/g, '');
  return lines
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => /^(?<name>[A-Z]+)\s+(?<text>.*)$/.exec(line)?.groups ?? fail(`no instruction: ${line}`));
}

/** What is not done here, and why. */
const leftOut = [
  [/^FROM /, 'the machine stands for the base image'],
  [/^RUN apt-get /, "the machine's packages stay as they are"],
  [/^USER /, 'the user stays the same'],
];

/**
 * Does what a Dockerfile says, and runs `doctor` by its entry point.
 *
 * @param without more steps to leave out, pattern and reason; `env` has what they would have made
 * @returns the libtorch in use, and what was left out
 */
export function checkDockerfile(file, tarball, { without = [], env: given = {} } = {}) {
  const image = join(scratch, `image-${file}`);
  mkdirSync(image);
  // `/app` is the image's folder; everything else is the machine's.
  const here = (text) => text.replaceAll('/app', image);
  // The package's command comes first, as in the image.
  const env = { ...given, PATH: [bin, process.env.PATH].join(delimiter) };
  const skipped = [];
  let entry;
  for (const { name, text } of instructionsOf(readFileSync(join(root, 'examples/docker', file), 'utf8'))) {
    const reason = [...leftOut, ...without].find(([pattern]) => pattern.test(`${name} ${text}`))?.[1];
    const [variable, value] = [/^\w+/.exec(text)?.[0], /^\w+=(.*)$/.exec(text)?.[1]];
    if (reason !== undefined) skipped.push(`${name} ${text.split(/\s+/).slice(0, 3).join(' ')}: ${reason}`);
    else if (name === 'WORKDIR') expect(text === '/app', `${file} works in ${text} instead of /app`);
    else if (name === 'COPY') copyFileSync(tarball, join(image, basename(tarball)));
    else if (name === 'ARG') env[variable] = process.env[variable] ?? value;
    else if (name === 'ENV') env[variable] = here(value).replace('$PATH', env.PATH);
    else if (name === 'RUN') use(image, 'sh', ['-c', here(text)], env);
    else if (name === 'ENTRYPOINT') [entry] = JSON.parse(text);
    else fail(`${file}: ${name} is not known to scripts/package/docker.mjs`);
  }
  const { ok, findings } = JSON.parse(use(image, 'sh', ['-c', `${entry} doctor --json`], env).stdout);
  expect(ok, `doctor finds faults: ${JSON.stringify(findings)}`);
  const libtorch = findings.find(({ name }) => name === 'libtorch').detail;
  return [libtorch, ...skipped.map((step) => `not done: ${step}`)].join('\n     ');
}
