/** Output of the commands: results on stdout, everything else on stderr. */
import { styleText } from 'node:util';
import { isObject } from '../json.js';
import { printable } from '../printable.js';
import { formatBytes, formatSeconds } from '../text.js';
import { ProgressBar, type ProgressUpdate } from './progress-bar.js';
import type { Flags } from './parse.js';

/** Of every command. */
export const outputFlags = {
  quiet: { type: 'boolean', help: 'print only results, warnings and errors' },
  verbose: {
    type: 'boolean',
    help: 'also print the settings, the time of each line and the causes of errors',
  },
} as const satisfies Flags;

type Level = 'quiet' | 'normal' | 'verbose';

const state: { level: Level; bar: ProgressBar | undefined } = { level: 'normal', bar: undefined };

export function setLevel(level: Level): void {
  state.level = level;
}

// One at a time: Node.js 20 colours a list of them on every stream.
type Style = 'bold' | 'dim' | 'red' | 'yellow' | 'green' | 'cyan';

/** Coloured if the stream is a terminal with colours; respects NO_COLOR and FORCE_COLOR. */
function styled(style: Style, text: string, stream: NodeJS.WriteStream): string {
  return styleText(style, text, { stream });
}

const ownStyles = new Set<string>();

/** Words of a result, coloured as {@link styled}; {@link print} leaves their control sequences. */
export function resultStyle(style: Style, words: string): string {
  const own = styled(style, words, process.stdout);
  if (own !== words) ownStyles.add(own);
  return own;
}

/** Text as it is shown: only the control sequences of {@link resultStyle} are obeyed. */
function shownText(text: string): string {
  for (const own of ownStyles) if (text.includes(own)) return text.split(own).map(shownText).join(own);
  return printable(text);
}

/** Prints a result. Control characters of names in it are escaped; JSON stays the same value. */
export function print(text: string): void {
  state.bar?.clear();
  process.stdout.write(`${shownText(text)}\n`);
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}

/** A small result: as JSON, or a line a member, sizes and times in human units. */
export function printResult(result: object, json: boolean | undefined): void {
  if (json) printJson(result);
  else
    for (const [name, value] of Object.entries(result)) print(`${words(name)}: ${shownMember(name, value)}`);
}

/** `imagesPerSecond` as `images per second`; units go to the value. */
function words(name: string): string {
  const short = name.replace(/(?<=.)(Bytes|Seconds)$/, '');
  return short.replace(/(?<=[a-z]{2})[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function shownMember(name: string, value: unknown): string {
  if (typeof value === 'string') return value;
  if (isObject(value))
    return Object.entries(value)
      .map(([key, each]) => `${words(key)} ${shownMember(key, each)}`)
      .join(', ');
  if (typeof value !== 'number') return JSON.stringify(value);
  if (/bytes$/i.test(name)) return formatBytes(value);
  if (/(?<!per)seconds$/i.test(name)) return formatSeconds(value);
  return value.toLocaleString('en', { maximumSignificantDigits: Number.isInteger(value) ? 21 : 4 });
}

/** @param label before the text, with its colour */
function say(text: string, label = '', style = (shown: string) => shown): void {
  state.bar?.clear();
  const at =
    state.level === 'verbose' ? styled('dim', `[${formatSeconds(process.uptime())}] `, process.stderr) : '';
  process.stderr.write(`${at}${label}${style(printable(text))}\n`);
}

/** Prints what is being done. */
export function note(text: string): void {
  if (state.level !== 'quiet') say(text);
}

/** Prints details, with --verbose only. */
export function detail(text: string): void {
  if (state.level === 'verbose') say(text, '', (shown) => styled('dim', shown, process.stderr));
}

/** Prints a warning: something may be wrong, but the command continued. */
export function warn(text: string): void {
  say(text, `${styled('yellow', 'warning:', process.stderr)} `);
}

/** Suggests the next command. */
export function next(text: string): void {
  if (state.level !== 'quiet') say(text, `${styled('cyan', 'next:', process.stderr)} `);
}

/** Prints a failure as `CODE: message`; with --verbose also its causes. */
export function complain({ code, message, cause }: { code: string; message: string; cause?: unknown }): void {
  say(message, `${styled('red', `${code}:`, process.stderr)} `);
  for (let each = cause; each instanceof Error; each = each.cause) detail(`caused by ${each.message}`);
}

/** The progress bar of a command; other lines are written above it. */
export function progressBar(): { update(update: ProgressUpdate): void } {
  if (state.level === 'quiet') return { update: () => {} };
  return (state.bar = new ProgressBar());
}

/** A bar for images that are done, and lines above it, as options of what works on them. */
export function imageProgress(label: string) {
  const bar = progressBar();
  return { onProgress: (done: number, total: number) => bar.update({ label, done, total }), onLog: note };
}
