/**
 * What others say in this process: Node.js and packages, as warnings and on the console. Nothing of it reaches the terminal
 * by itself. It is a detail (--verbose); where it matters to the person at the terminal, it is a warning, once.
 * `main.ts` imports this first: packages may speak while they load.
 */
import { Console } from 'node:console';
import { Writable } from 'node:stream';
import { detail, warn } from './output.js';

/** Until it is known whether details are wanted. */
let early: string[] | undefined = [];
const said = new Set<string>();

function sayDetail(text: string): void {
  if (early) early.push(text);
  else detail(text);
}

/** Shows what was said before; to be called when the level of output is set. */
export function showEarlier(): void {
  const texts = early ?? [];
  early = undefined;
  for (const text of texts) detail(text);
}

/**
 * Without a category of their own, warnings are about the surroundings and change what a command does: certificates that
 * are not verified or cannot be read. So are this package's own. The others (deprecated, experimental, too many listeners) are for
 * developers.
 */
const categoriesThatMatter = ['Warning', 'DinoSegWarning'];

function onWarning({ name, message, code }: Error & { code?: string }): void {
  if (!categoriesThatMatter.includes(name)) sayDetail(`${code ? `${name} [${code}]` : name}: ${message}`);
  else if (!said.has(message)) {
    said.add(message);
    warn(message);
  }
}

// Node.js prints warnings in a listener of that name; those of programs loaded before (--require) are left.
for (const listener of process.listeners('warning'))
  if (listener.name === 'onWarning') process.off('warning', listener);
process.on('warning', onWarning);

const sink = new Writable({
  decodeStrings: false,
  write(text: string, _encoding, done) {
    sayDetail(text.trimEnd());
    done();
  },
});
globalThis.console = new Console({ stdout: sink, stderr: sink });
