import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { adviceFor, adviceForSignal } from '../../../lib/native/doctor/advice.js';
import { cudaFindings, cudaVersion } from '../../../lib/native/doctor/driver.js';
import type { Finding } from '../../../lib/native/doctor/finding.js';
import {
  diskFinding,
  memoryFinding,
  nodeFinding,
  platformFinding,
} from '../../../lib/native/doctor/machine.js';
import { runProbe } from '../../../lib/native/doctor/run-probe.js';
import { findLibtorch } from '../../../lib/native/libtorch/find-libtorch.js';
import { spawnCommand, startProgram } from '../../helpers/command-line.js';
import { below, torchFiles } from '../../helpers/libtorch.js';
import { writeTree } from '../../helpers/temporary.js';

interface Report {
  ok: boolean;
  findings: Finding[];
}

async function doctorWith(environment: Record<string, string>): Promise<Report & { code: number | null }> {
  const { code, stdout } = await spawnCommand(['doctor', '--json'], environment);
  return { ...(JSON.parse(stdout) as Report), code };
}

const named = ({ findings }: Report, name: string) => findings.find((finding) => finding.name === name);

t.test('where all is well: versions, a product on each device, exit code 0', async (t) => {
  const report = await doctorWith({});
  t.equal(report.code, 0);
  t.ok(report.ok);
  for (const [name, detail] of [
    ['package', /^dinov3-seg \d/],
    ['node', /^v\d+.*N-API \d/],
    ['platform', /^linux \w+, glibc 2\.\d+/],
    ['disk', /GiB free for the cache/],
    ['sharp', /^\d+\.\d+.*libvips \d/],
    ['libtorch', /^2\.\d+\.\d+ \(\w+.* build\) in \//],
    ['addon', /^loaded with libtorch 2\./],
    ['device cpu', /GiB free of .*; test product correct$/],
  ] as const)
    t.match(named(report, name), { status: 'ok', detail }, name);
  t.match((await spawnCommand(['doctor'])).stdout, /^ok +device cpu: /m);
});

t.test('no libtorch, or one that is not supported', async (t) => {
  const root = await writeTree(t, below('old', torchFiles('2.4.1')));
  const none = await doctorWith({ DINOV3_SEG_LIBTORCH: join(root, 'absent') });
  t.equal(none.code, 1);
  t.match(named(none, 'libtorch'), { status: 'fault', detail: /LIBTORCH_UNSUPPORTED.*no such folder/ });
  const old = await doctorWith({ DINOV3_SEG_LIBTORCH: join(root, 'old') });
  t.match(named(old, 'libtorch'), { status: 'fault', detail: /version 2\.4\.1 is not supported; expected/ });
});

t.test('a libtorch that does not load: the library is named, or called damaged', async (t) => {
  const root = await writeTree(t, below('fake', torchFiles()));
  const fake = join(root, 'fake');
  const damaged = await doctorWith({ DINOV3_SEG_LIBTORCH: fake });
  t.equal(damaged.code, 1);
  t.match(named(damaged, 'addon'), {
    status: 'fault',
    detail: /cannot be loaded/,
    advice: /damaged.*--force/,
  });

  // The true libtorch.so, made to want a library that there is not.
  const real = readFileSync(join(findLibtorch().root, 'lib/libtorch.so'));
  const at = real.indexOf('libtorch_cpu.so\0');
  t.ok(at > 0);
  real.write('libcudart.so.99', at);
  writeFileSync(join(fake, 'lib/libtorch.so'), real);
  const missing = await doctorWith({ DINOV3_SEG_LIBTORCH: fake });
  t.match(named(missing, 'addon'), {
    status: 'fault',
    detail: /libcudart\.so\.99: cannot open shared object file/,
    advice: /libcudart\.so\.99 \(CUDA\) is missing.*libtorch install/,
  });
});

t.test('no engine for this libtorch, and an image codec that does not load', async (t) => {
  const package_ = join(import.meta.dirname, '../../..');
  const copy = await writeTree(t, {
    'node_modules/sharp/package.json': '{"name": "sharp", "main": "index.js"}',
    'node_modules/sharp/index.js':
      'throw new Error("Could not load the sharp module\\n\\nPossible solutions");',
  });
  for (const path of ['package.json', 'dist', 'native/loader'])
    cpSync(join(package_, path), join(copy, path), { recursive: true });
  const program = [join(copy, 'dist/cli/main.js'), 'doctor', '--json'];
  const { code, stdout, stderr } = await startProgram(process.execPath, program).ended;
  t.equal(code, 1, stderr);
  const report = JSON.parse(stdout) as Report;
  t.match(named(report, 'libtorch'), { status: 'ok' });
  t.match(named(report, 'addon'), { status: 'fault', detail: /^ADDON: .*not built for this libtorch/ });
  t.match(named(report, 'sharp'), {
    status: 'fault',
    detail: 'Could not load the sharp module',
    advice: /npm install --include=optional sharp/,
  });
});

t.test('a child that crashes, hangs, ends early or is not there is a finding', async (t) => {
  const started = `process.stdout.write('{"name":"sharp","state":"ok","detail":"fine"}\\nnoise\\n{"name":"addon","state":"started"}\\n');`;
  const root = await writeTree(t, {
    'crash.mjs': `${started} process.kill(process.pid, 'SIGSEGV'); setInterval(() => {}, 1000);`,
    'hang.mjs': `import { writeFileSync } from 'node:fs'; ${started} writeFileSync(process.argv[2], ''); setInterval(() => {}, 1000);`,
    'early.mjs': `${started} console.error('oh no'); process.exit(3);`,
    'done.mjs': `process.stdout.write('{"name":"end","state":"ok"}\\n'); process.abort();`,
    'nothing.mjs': '',
  });
  const day = 24 * 60 * 60;
  const probe = (name: string) => runProbe([], day, join(root, name));
  const steps = [{ name: 'sharp', state: 'ok', detail: 'fine' }];
  t.match(await probe('crash.mjs'), {
    steps,
    broken: { during: 'addon', signal: 'SIGSEGV', problem: 'crashed with SIGSEGV' },
  });
  const expired = new AbortController();
  const hangs = join(root, 'hangs');
  const hanging = runProbe([hangs], 1, join(root, 'hang.mjs'), expired.signal);
  while (!existsSync(hangs)) await sleep(5);
  expired.abort();
  const hung = await hanging;
  t.match(hung, { steps, broken: { during: 'addon', problem: 'did not respond within 1 s' } });
  t.notOk('signal' in hung.broken!, 'our own kill is not taken for a crash');
  t.match(await probe('early.mjs'), { broken: { problem: 'ended early with exit code 3', output: 'oh no' } });
  t.match(await probe('nothing.mjs'), { steps: [], broken: { during: 'start' } });
  t.match(await probe('absent.mjs'), { broken: { problem: 'ended early with exit code 1' } });
  t.same(await probe('done.mjs'), { steps: [] }, 'what comes after the end does not count');
});

t.test('the machine: node, system, memory and disk', (t) => {
  for (const version of ['v20.19.0', 'v22.12.0', 'v24.0.0']) t.match(nodeFinding(version), { status: 'ok' });
  for (const version of ['v20.18.3', 'v21.7.0', 'v22.11.0'])
    t.match(nodeFinding(version), { status: 'fault', advice: /20\.19/ });
  t.match(platformFinding('linux', 'x64', '2.36'), { status: 'ok' });
  t.match(platformFinding('linux', 'x64', undefined), { status: 'fault', advice: /Linux with glibc/ });
  t.match(platformFinding('darwin', 'arm64', undefined), { status: 'fault' });
  const gibibyte = 1024 ** 3;
  t.match(memoryFinding(8 * gibibyte, 16 * gibibyte), { status: 'ok', detail: '8.0 GiB free of 16.0 GiB' });
  t.match(memoryFinding(gibibyte, 16 * gibibyte), { status: 'note', advice: /small networks/ });
  t.match(memoryFinding(gibibyte / 4, gibibyte), { status: 'fault' });
  t.match(diskFinding('/cache', 8 * gibibyte), { status: 'ok' });
  t.match(diskFinding('/cache', gibibyte), { status: 'note', advice: /XDG_CACHE_HOME/ });
  t.end();
});

t.test('CUDA: build, driver, device', (t) => {
  const cuda = { cuda: true, build: 'cu130' };
  const cpu = { cuda: false, build: 'cpu' };
  t.equal(cudaVersion(cuda), '13.0');
  t.equal(cudaVersion({ cuda: true, build: 'cu128' }), '12.8');
  t.equal(cudaVersion(cpu), undefined);
  const last = (...given: Parameters<typeof cudaFindings>) => cudaFindings(...given).at(-1);
  t.match(last(cuda, { driver: '580.65.06', hardware: true }, 1), { status: 'ok', detail: /CUDA 13\.0/ });
  t.match(last(cuda, { driver: '580.65.06', hardware: true }, 0), {
    status: 'fault',
    detail: /driver 580\.65\.06 is installed, but no CUDA device responds/,
    advice: /nvidia-smi/,
  });
  t.match(last(cuda, { driver: '535.104.05', hardware: true }, 0), {
    status: 'fault',
    detail: /needs driver 580 or newer; driver 535\.104\.05 is too old/,
  });
  t.match(last({ cuda: true, build: 'cu128' }, { driver: '535.104.05', hardware: true }, 1), {
    status: 'ok',
  });
  t.match(last({ cuda: true, build: 'cu128' }, { driver: '525.59', hardware: true }, 0), { status: 'fault' });
  t.match(last(cuda, { hardware: true }, 0), { status: 'fault', detail: /GPU, but no driver is installed/ });
  t.match(last(cuda, { hardware: false }, 0), { status: 'note', detail: /no NVIDIA GPU: the CPU is used/ });
  t.match(last(cpu, { hardware: false }, 0), { status: 'note', detail: 'this libtorch is a CPU build' });
  t.match(last(cpu, { driver: '580.65', hardware: true }, 0), {
    status: 'note',
    detail: /although the machine has an NVIDIA GPU/,
  });
  t.match(cudaFindings(cuda, { driver: '580.65', hardware: true }, 1)[0], {
    name: 'driver',
    detail: 'NVIDIA 580.65',
  });
  t.end();
});

t.test('advice by what the loader of the system says', (t) => {
  const missing = (name: string) => `${name}: cannot open shared object file: No such file or directory`;
  const cases: [string, RegExp][] = [
    [missing('libgomp.so.1'), /apt-get install libgomp1/],
    [missing('libcudnn.so.9'), /libcudnn\.so\.9 \(CUDA\) is missing/],
    [missing('libnvJitLink.so.13'), /\(CUDA\) is missing/],
    [missing('libcuda.so.1'), /NVIDIA's driver/],
    [missing('libc10.so'), /libc10\.so is missing.*--force/],
    [
      "/lib/libc.so.6: version `GLIBC_2.38' not found (required by engine.node)",
      /glibc 2\.38 or newer; this machine has 2\.31/,
    ],
    ["libstdc++.so.6: version `GLIBCXX_3.4.30' not found", /libstdc\+\+ with GLIBCXX_3\.4\.30/],
    ['/x/libtorch.so: invalid ELF header', /damaged/],
    ['engine.node: undefined symbol: _ZN2at', /are incompatible/],
    ['failed to map segment from shared object', /noexec/],
  ];
  for (const [message, advice] of cases) t.match(adviceFor(message, '2.31'), advice, message);
  t.equal(adviceFor('something else', '2.31'), undefined);
  t.match(adviceForSignal('SIGILL'), /AVX2/);
  t.match(adviceForSignal('SIGKILL'), /memory/);
  t.match(adviceForSignal('SIGSEGV'), /--force/);
  t.end();
});
