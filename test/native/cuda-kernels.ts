/**
 * When the CUDA kernels are not used, why, and who hears of it. No GPU is needed: driver and devices are simulated, by facts given to the
 * functions, or by stand-ins for the two libraries, compiled here.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import {
  kernelWarning,
  refusalOf,
  useKernels,
  type KernelFacts,
  type KernelParts,
} from '../../lib/native/cuda-kernels.js';
import { startProgram } from '../helpers/command-line.js';
import { binaries, claimingCuda, engineName, libtorch, packageWith, root } from '../helpers/package-copy.js';
import { writeTree } from '../helpers/temporary.js';

/** A machine that the kernels serve. */
const good: KernelFacts = {
  runtime: 13000,
  driver: 13000,
  architectures: '80 86 89 90 100 120',
  ptx: '90',
  devices: [{ major: 9, minor: 0 }],
};
const devices = (...capabilities: number[]) =>
  capabilities.map((each) => ({ major: Math.floor(each), minor: Math.round((each % 1) * 10) }));

t.test('kernels serve the devices that they have machine code or PTX for (simulated)', (t) => {
  const cases: [what: string, facts: Partial<KernelFacts>, reason: RegExp | undefined][] = [
    ['the same capability', {}, undefined],
    ['a later one of the same generation', { devices: devices(8.7, 10.3, 12.1) }, undefined],
    ['a later generation, by PTX', { devices: devices(13.0) }, undefined],
    ['a newer driver', { driver: 13040 }, undefined],
    ['a machine whose devices are hidden', { devices: [] }, undefined],
    [
      'an older generation',
      { devices: devices(7.5) },
      /no code for cuda:0 \(compute capability 7\.5\): they serve compute capabilities 8\.0, .*12\.0 and, by PTX, from 9\.0 on/,
    ],
    ['an earlier one of a generation', { architectures: '86', devices: devices(8.0) }, /cuda:0 .*8\.0\)/],
    [
      'PTX that is newer than the driver',
      { runtime: 13010, architectures: '80', devices: devices(9.0) },
      /cuda:0 .*9\.0\)/,
    ],
    [
      'one device of three',
      { devices: devices(9.0, 7.0, 8.6) },
      /no code for cuda:1 \(compute capability 7\.0\):/,
    ],
    [
      'a driver of the CUDA before',
      { driver: 12040, devices: [] },
      /driver is too old for them: it supports CUDA 12\.4, and they were built with CUDA 13\.0/,
    ],
    ['no driver', { driver: 0, devices: [] }, /no NVIDIA driver/],
    [
      'a driver that fails',
      { devices: [], problem: 'unknown error' },
      /does not list its devices: unknown error/,
    ],
  ];
  for (const [what, facts, reason] of cases) {
    const refusal = refusalOf({ ...good, ...facts });
    if (reason) t.match(refusal?.reason, reason, what);
    else t.equal(refusal, undefined, what);
  }
  t.match(refusalOf({ ...good, driver: 12040 })?.advice, 'Install NVIDIA driver 580 or newer.');
  t.match(refusalOf({ ...good, devices: devices(9.0, 7.0) })?.advice, /CUDA_VISIBLE_DEVICES/);
  t.match(refusalOf({ ...good, devices: devices(7.5) })?.advice, /CUDAARCHS/);
  t.end();
});

/** Parts of which nothing is real but the files. */
async function simulated(
  t: Test,
  given: Partial<KernelParts> = {},
): Promise<KernelParts & { asked: string[] }> {
  const folder = await writeTree(t, { 'cuda_kernels.so': 'k', 'cuda_ops.so': 'o' });
  const asked: string[] = [];
  return {
    asked,
    setting: undefined,
    kernels: join(folder, 'cuda_kernels.so'),
    operators: join(folder, 'cuda_ops.so'),
    openLibrary: () => void asked.push('operators'),
    readCudaKernels: () => (asked.push('kernels'), good),
    useCudaKernels: () => (asked.push('use'), true),
    hasDevices: () => true,
    ...given,
  };
}

t.test(
  'whatever is in the way is a reason with advice, and the operators are opened all the same',
  async (t) => {
    const whole = await simulated(t);
    t.match(useKernels(whole), {
      used: true,
      devices: good.devices,
      detail: /serves compute capabilities 8\.0, .*built with CUDA 13\.0/,
    });
    t.same(whole.asked, ['operators', 'kernels', 'use']);
    const throws = () => {
      throw new Error('wrong ELF class');
    };
    const cases: [what: string, given: Partial<KernelParts>, reason: RegExp, opened: string[]][] = [
      ['off', { setting: 'off' }, /^DINOV3_SEG_CUDA_KERNELS=off turns them off\.$/, ['operators']],
      [
        'no kernels',
        { kernels: '/nowhere/cuda_kernels.so' },
        /^\/nowhere\/cuda_kernels\.so does not exist/,
        ['operators'],
      ],
      ['no operators', { operators: '/nowhere/cuda_ops.so' }, /^\/nowhere\/cuda_ops\.so does not exist/, []],
      [
        'kernels of another system',
        { readCudaKernels: throws },
        /cuda_kernels\.so cannot be loaded: wrong ELF class/,
        ['operators'],
      ],
      [
        'operators of another system',
        { openLibrary: throws },
        /cuda_ops\.so cannot be loaded: wrong ELF class/,
        [],
      ],
      [
        'two builds',
        { useCudaKernels: () => false },
        /are of different builds of this package/,
        ['operators', 'kernels'],
      ],
      [
        'an old driver',
        { readCudaKernels: () => ({ ...good, driver: 12080, devices: [] }) },
        /CUDA 12\.8/,
        ['operators'],
      ],
    ];
    for (const [what, given, reason, opened] of cases) {
      const parts = await simulated(t, given);
      const use = useKernels(parts);
      t.match(use, { used: false, reason, slower: true }, what);
      t.same(parts.asked, opened, `${what}: ${opened.join(', ') || 'nothing'} opened`);
      if (!use.used) t.match(kernelWarning(use), /not used\. .*up to twice the time\. [A-Z]/);
    }
    t.match(useKernels(await simulated(t, { setting: 'off', hasDevices: () => false })), { slower: false });
    t.match(useKernels(await simulated(t, { setting: 'on' })), { used: true });
  },
);

/** A library in the package's format whose driver and device are made up. */
const standInKernels = ({ driver = 13000, capability = 9.0, table = 7 }) => `
#include "ops/cuda/kernel_library.h"
using namespace dinov3_seg::cuda;
static int driver() { return ${driver}; }
static int devices(KernelDevice* to, int) { to[0] = {${Math.floor(capability)}, ${Math.round((capability % 1) * 10)}}; return 1; }
static const char* text(int) { return ""; }
static const KernelLibrary library = {${table}, 13000, "80 90", "90", driver, devices, text, nullptr};
extern "C" const KernelLibrary* dinov3_seg_cuda_kernels() { return &library; }`;
const standInOperators = `
#include "ops/cuda/kernel_library.h"
extern "C" bool dinov3_seg_use_cuda_kernels(const dinov3_seg::cuda::KernelLibrary* library) { return library->interface == 7; }`;

async function compiled(t: Test, source: string): Promise<Buffer> {
  const folder = await writeTree(t, { 'library.cpp': source });
  const library = join(folder, 'library.so');
  execFileSync('g++', [
    '-std=c++20',
    '-shared',
    '-fPIC',
    '-I',
    join(root, 'cpp'),
    '-o',
    library,
    join(folder, 'library.cpp'),
  ]);
  return readFileSync(library);
}

t.test(
  'a process is warned once, works on, and doctor has the reason (stand-ins for both libraries)',
  async (t) => {
    const operators = await compiled(t, standInOperators);
    const cuda = libtorch.cuda ? libtorch.root : claimingCuda(t);
    const report = `
    const { cudaKernels, engine } = await import('./dist/native/engine.js');
    const { data } = await engine().tensorData(engine().tensor(Float32Array.of(1, 2), [2]));
    const { doctor } = await import('./dist/native/doctor/doctor.js');
    const { findings } = await doctor();
    console.log(JSON.stringify({ use: cudaKernels(), data: [...data],
      finding: findings.find(({ name }) => name === 'CUDA kernels') }));`;
    for (const [what, made, reason] of [
      ['served', {}, undefined],
      ['an old driver', { driver: 12060 }, /The driver is too old for them: it supports CUDA 12\.6/],
      ['an architecture missing', { capability: 7.5 }, /no code for cuda:0 \(compute capability 7\.5\)/],
      ['another build', { table: 8 }, /of different builds/],
    ] as const)
      await t.test(what, async (t) => {
        const folder = packageWith(t, {
          'loader/build/Release/loader.node': binaries.loader,
          [`${engineName}/build/Release/engine.node`]: binaries.engine,
          [`${engineName}/build/Release/cuda_ops.so`]: operators,
          'cuda-kernels/build/Release/cuda_kernels.so': await compiled(t, standInKernels(made)),
        });
        const args = ['-C', folder, process.execPath, '--input-type=module', '-e', report];
        const started = startProgram('env', args, {
          DINOV3_SEG_LIBTORCH: cuda,
          CUDA_VISIBLE_DEVICES: '',
        });
        const { code, stdout, stderr } = await started.ended;
        t.equal(code, 0, stderr);
        const told = JSON.parse(stdout) as { data: number[]; finding?: unknown };
        t.same(told.data, [1, 2], 'the engine works');
        const warnings = stderr.match(/DinoSegWarning/g) ?? [];
        if (reason === undefined) {
          t.same(warnings, []);
          t.match(told, {
            use: { used: true },
            finding: { status: 'ok', detail: /serves compute capabilities 8\.0, 9\.0/ },
          });
          return;
        }
        t.equal(warnings.length, 1, stderr);
        t.match(stderr, reason);
        t.match(stderr, /\[CUDA_KERNELS\] DinoSegWarning: The CUDA kernels of this package are not used/);
        t.match(told, {
          use: { used: false, reason },
          finding: { status: 'note', detail: reason, advice: /\w/ },
        });
      });
    await t.test('a setting that is neither on nor off is an error', async (t) => {
      const program = `import('${root}/dist/native/engine.js').then(({ engine }) => engine()).catch((e) => console.log(e.code, e.message))`;
      const { stdout } = await startProgram(process.execPath, ['-e', program], {
        DINOV3_SEG_CUDA_KERNELS: 'no',
      }).ended;
      t.match(stdout, 'INVALID_ARGUMENT DINOV3_SEG_CUDA_KERNELS should be on (the default) or off, not no.');
    });
  },
);

t.test('threads of one process are warned once together', async (t) => {
  const program = `
    const { Worker, isMainThread } = require('node:worker_threads');
    console.log(require('${binaries.loader}').isFirst('a'));
    if (isMainThread) new Worker(__filename);`;
  const folder = await writeTree(t, { 'threads.cjs': program });
  const { stdout } = await startProgram(process.execPath, [join(folder, 'threads.cjs')]).ended;
  t.equal(stdout, 'true\nfalse\n');
});

const operatorsFile = join(root, 'native', engineName, 'build/Release/cuda_ops.so');
const kernelsFile = join(root, 'native/cuda-kernels/build/Release/cuda_kernels.so');
const neededBy = (file: string) => execFileSync('nm', ['-D', '--undefined-only', file], { encoding: 'utf8' });

t.test(
  'the compiled operators need nothing of the CUDA runtime',
  { skip: existsSync(operatorsFile) ? false : 'cuda_ops.so was not built' },
  (t) => {
    t.match(neededBy(operatorsFile), /getCurrentCUDAStream/);
    t.notMatch(neededBy(operatorsFile), / (cu|cuda|__cuda)[A-Z]/);
    t.end();
  },
);

const unbuilt = [operatorsFile, kernelsFile].filter((file) => !existsSync(file));
t.test(
  "the compiled operators and kernels fit, and are registered (a stand-in for libtorch's CUDA side)",
  { skip: unbuilt.length > 0 ? `${unbuilt.join(', ')}: not built` : libtorch.cuda && 'libtorch has CUDA' },
  async (t) => {
    // Whatever the operators need of libtorch_cuda.so, as functions that nobody calls.
    const names = [...neededBy(operatorsFile).matchAll(/ U (\S*(?:2at4cuda|3c104cuda)\S*)/g)].map(
      ([, name]) => name,
    );
    const source = names.map(
      (name, i) => `extern "C" int f${i}() __asm__("${name}"); int f${i}() { return 0; }`,
    );
    const folder = await writeTree(t, { 'stubs.cpp': source.join('\n') });
    for (const name of ['libtorch_cuda.so', 'libc10_cuda.so'])
      execFileSync('g++', [
        '-shared',
        '-fPIC',
        `-Wl,-soname,${name}`,
        '-o',
        join(folder, name),
        join(folder, 'stubs.cpp'),
      ]);
    const program = `
      import { createRequire } from 'node:module';
      const { engine } = await import('${root}/dist/native/engine.js');
      const loader = createRequire(import.meta.url)('${binaries.loader}');
      const before = engine().info().cudaKernels;
      loader.openLibrary('${operatorsFile}');
      const opened = engine().info().cudaKernels;
      const fit = [1, 2].map(() => loader.useCudaKernels('${kernelsFile}', '${operatorsFile}'));
      console.log(JSON.stringify({ before, opened, fit, after: engine().info().cudaKernels }));`;
    const args = ['--input-type=module', '-e', program];
    const { stdout, stderr } = await startProgram(process.execPath, args, { LD_LIBRARY_PATH: folder }).ended;
    t.equal(stderr, '');
    t.same(JSON.parse(stdout || '{}'), { before: false, opened: false, fit: [true, true], after: true });
  },
);
