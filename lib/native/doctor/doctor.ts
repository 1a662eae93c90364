/** Checks the machine for everything that this package needs, with advice for what is missing. */
import { checkOptions, number, text, type OptionKinds } from '../../arguments.js';
import { DinoSegError } from '../../errors.js';
import { adviceFor, adviceForSignal } from './advice.js';
import { cudaFindings, cudaVersion, findGraphics } from './driver.js';
import type { Finding } from './finding.js';
import { glibcVersion, machineFindings } from './machine.js';
import { runProbe, type ProbeResult } from './run-probe.js';
import { chosenLibtorch } from '../engine.js';
import { findLibtorch, type Libtorch } from '../libtorch/find-libtorch.js';

export type { Finding } from './finding.js';

/** Result of {@link doctor}. */
export interface DoctorReport {
  /** True if no finding is a fault. */
  ok: boolean;
  /** Findings, in the order of the checks. */
  findings: Finding[];
}

/** Options of {@link doctor}. */
export interface DoctorOptions {
  /** Folder of the libtorch to examine. Default: the one that `init()` named, else the usual places are searched. */
  libtorch?: string;
  /** Time limit in seconds for loading libtorch and testing its devices. Default: 120. */
  seconds?: number;
}

const doctorOptions: OptionKinds<DoctorOptions> = { libtorch: text, seconds: number };

const defaultSeconds = 120;

/**
 * Checks versions, memory, disk, image codec, libtorch, addon and devices. A child process loads the libraries and
 * runs an operator on each device; if it crashes or does not respond, that is a finding. Faults are findings, never
 * errors.
 */
export async function doctor(options: DoctorOptions = {}): Promise<DoctorReport> {
  checkOptions(options, doctorOptions, 'doctor()');
  const seconds = options.seconds ?? defaultSeconds;
  const codec = runProbe(['sharp'], seconds);
  const findings = await machineFindings();
  findings.push(...probeFindings(await codec));
  const libtorch = lookForLibtorch(options.libtorch ?? chosenLibtorch(), findings);
  if (libtorch) {
    findings.push(libtorchFinding(libtorch));
    const probe = await runProbe(['libtorch', libtorch.root], seconds);
    findings.push(...probeFindings(probe));
    findings.push(...cudaFindings(libtorch, await findGraphics(), cudaDevices(probe)));
  }
  return { ok: findings.every(({ status }) => status !== 'fault'), findings };
}

function lookForLibtorch(explicit: string | undefined, findings: Finding[]): Libtorch | undefined {
  try {
    return findLibtorch(explicit);
  } catch (error) {
    const detail = error instanceof DinoSegError ? `${error.code}: ${error.message}` : String(error);
    findings.push({ name: 'libtorch', status: 'fault', detail });
    return undefined;
  }
}

function libtorchFinding(libtorch: Libtorch): Finding {
  const { version, root, cuda, source } = libtorch;
  const build = cuda ? `CUDA ${cudaVersion(libtorch) ?? ''}`.trimEnd() : 'CPU';
  return {
    name: 'libtorch',
    status: 'ok',
    detail: `${version} (${build} build) in ${root}, found by: ${source}`,
  };
}

function probeFindings({ steps, broken }: ProbeResult): Finding[] {
  const findings = steps
    .filter(({ name, state }) => name !== 'devices' || state === 'failed')
    .map(({ name, state, detail = '', advice: given }): Finding => {
      if (state === 'ok') return { name, status: 'ok', detail };
      if (state === 'note') return { name, status: 'note', detail, ...(given && { advice: given }) };
      const advice = name === 'sharp' ? sharpAdvice : adviceFor(detail, glibcVersion());
      return { name, status: 'fault', detail, ...(advice !== undefined && { advice }) };
    });
  if (broken) {
    const { during, signal, problem, output } = broken;
    const detail = `the test process ${problem}${output ? `: ${output.split('\n').slice(-3).join('; ')}` : ''}`;
    const advice = signal ? adviceForSignal(signal) : undefined;
    findings.push({ name: during, status: 'fault', detail, ...(advice !== undefined && { advice }) });
  }
  return findings;
}

const sharpAdvice =
  'Images cannot be read without it. Reinstall it with the optional packages: ' +
  '`npm install --include=optional sharp`.';

function cudaDevices({ steps }: ProbeResult): number | undefined {
  const found = steps.find(({ name, state }) => name === 'devices' && state === 'ok');
  return found?.detail?.split(', ').filter((name) => name.startsWith('cuda')).length;
}
