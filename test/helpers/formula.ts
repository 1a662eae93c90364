/** Tensors whose values are a formula of their key: see test/fixtures/formula/README.md. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSafetensors, type Stored } from './safetensors.js';

const folder = join(import.meta.dirname, '../fixtures/formula');

interface Rule {
  key: string;
  rank?: number;
  base: number;
  scale?: number;
  fan?: number;
  const?: number;
  thirds?: [number, number, number];
  periods?: number;
}

const rules = JSON.parse(readFileSync(join(folder, 'rules.json'), 'utf8')) as Rule[];

export function fnv1a32(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text, 'utf8')) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

function mix(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

/** The tensor of a key and shape, rounded once to float32. */
export function formulaTensor(key: string, shape: readonly number[]): Stored & { data: Float32Array } {
  const rule = rules.find((r) => new RegExp(r.key).test(key) && (r.rank ?? shape.length) === shape.length);
  if (rule === undefined) throw new Error(`no rule for ${key}`);
  const n = shape.reduce((product, size) => product * size, 1);
  const perRow = shape.slice(1).reduce((product, size) => product * size, 1);
  const factor = rule.fan === undefined ? rule.scale! : rule.fan * Math.sqrt(3 / perRow);
  const hash = fnv1a32(key);
  const data = Float32Array.from({ length: n }, (_, i) => {
    if (rule.const !== undefined) return rule.const;
    if (rule.thirds !== undefined) return rule.thirds[Math.floor((3 * i) / n)]!;
    if (rule.periods !== undefined) return rule.periods ** (i / n);
    const x = mix((hash + Math.imul(i, 0x9e3779b9)) >>> 0);
    return rule.base + factor * ((x >>> 8) / 2 ** 23 - 1);
  });
  return { shape: [...shape], data };
}

export interface FormulaKeys {
  backbone: Record<string, number[]>;
  head: Record<string, number[]>;
  /** Keys that hold another's values. */
  same_tensor_as?: Record<string, string>;
}

/** Keys and shapes of a case's checkpoints. */
export function formulaKeys(name: string): FormulaKeys {
  return JSON.parse(readFileSync(join(folder, `${name}.keys.json`), 'utf8')) as FormulaKeys;
}

/** The stored outputs of a case. */
export function formulaOutputs(name: string): Record<string, Stored> {
  return readSafetensors(join(folder, `${name}.safetensors`)).tensors;
}
