/** The values of settings, described in the same words for the command line, files and programs. */

/** The values of a setting. */
export interface ValueRule {
  readonly type: 'text' | 'integer' | 'number' | 'boolean';
  readonly choices?: readonly string[];
  /** The only numbers. */
  readonly only?: readonly number[];
  /** Earlier names of choices, which stand in stored files and are still taken. */
  readonly formerly?: Readonly<Record<string, string>>;
  readonly least?: number;
  readonly most?: number;
  /** All values are greater. */
  readonly above?: number;
  /** All values are smaller. */
  readonly below?: number;
  /** Outside of the range and allowed all the same: it turns the setting off. */
  readonly off?: number;
}

/** The type of a rule's values. */
export type ValueOf<R extends ValueRule> = R['type'] extends 'boolean'
  ? boolean
  : R['type'] extends 'text'
    ? R extends { choices: readonly (infer C)[] }
      ? C
      : string
    : R extends { only: readonly (infer N)[] }
      ? N
      : number;

/** A line of a table of settings. */
export interface Setting extends ValueRule {
  /** Without one, the setting must be given; `null`: not set, which is a value as well. */
  readonly default?: string | number | null;
  /** For `-h` and the pages: a phrase without a full stop and without the default. */
  readonly help: string;
  /** What `-h` calls the value, e.g. `FILE`. */
  readonly value?: string;
  /** Name of the flag where it is not the setting's name with hyphens. */
  readonly flag?: string;
}

/** Whether a value keeps the rule. */
export function fits(rule: ValueRule, value: unknown): boolean {
  if (rule.type === 'boolean') return typeof value === 'boolean';
  if (rule.type === 'text')
    return typeof value === 'string' && value !== '' && (rule.choices?.includes(value) ?? true);
  if (typeof value !== 'number' || !Number.isFinite(value)) return false;
  if (value === rule.off) return true;
  if (rule.only) return rule.only.includes(value);
  const { least = -Infinity, most = Infinity, above = -Infinity, below = Infinity } = rule;
  const whole = rule.type === 'number' || Number.isSafeInteger(value);
  return whole && value >= least && value <= most && value > above && value < below;
}

/** The values that a rule allows, e.g. `a whole number of at least 1`. */
export function expected({ type, choices, only, ...range }: ValueRule): string {
  const all = choices ?? only;
  if (all) return `one of ${all.join(', ')}`;
  if (type === 'boolean') return 'true or false';
  if (type === 'text') return 'a non-empty string';
  const bounds = [
    [range.most === undefined ? 'of at least' : 'from', range.least],
    ['to', range.most],
    ['above', range.above],
    [range.above === undefined ? 'below' : 'and below', range.below],
  ] as const;
  const words = bounds.flatMap(([word, bound]) => (bound === undefined ? [] : [` ${word} ${bound}`]));
  const off = range.off === undefined ? '' : `, or ${range.off}`;
  return `a ${type === 'integer' ? 'whole number' : 'number'}${words.join('')}${off}`;
}

/** A value under the name that it has now. */
export function renamed<T>({ formerly }: ValueRule, value: T): T | string {
  const known = typeof value === 'string' && formerly !== undefined && Object.hasOwn(formerly, value);
  return known ? formerly[value]! : value;
}

/** The value that a text gives; undefined where it breaks the rule. */
export function valueOfText(rule: ValueRule, text: string): string | number | undefined {
  const value = rule.type === 'text' ? renamed(rule, text) : text.trim() === '' ? NaN : Number(text);
  return fits(rule, value) ? value : undefined;
}

/** The flag of a setting: `imageSize` is `image-size`. */
export function flagOf(name: string, { flag }: Setting): string {
  return flag ?? name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
