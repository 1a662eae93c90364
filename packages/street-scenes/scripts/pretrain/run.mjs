// A training from its options to its files, with what it says meanwhile.
import { rm } from 'node:fs/promises';
import { engine } from '../../../../lib/native/engine.js';
import { trainingEngine } from '../../lib/training-engine.js';

/**
 * Trains a `Kind` of Pretraining until its steps or its time are over, or a signal comes; stopped it goes on from there when it is
 * asked for again.
 */
export async function runPretraining(Kind, options) {
  const started = performance.now();
  const seconds = () => (performance.now() - started) / 1000;
  const say = (text) => process.stdout.write(`${seconds().toFixed(1).padStart(7)} s  ${text}\n`);
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  process.once('SIGTERM', () => stop.abort());

  if (options.threads > 0) for (const each of [engine(), trainingEngine()]) each.setThreads(options.threads);
  const pretraining = await Kind.open(options, say);
  const allSeconds = () => pretraining.secondsBefore + seconds();
  let drawn = 0;
  await pretraining.startScenes((count) => {
    if (Math.floor((drawn + count) / 2000) > Math.floor(drawn / 2000)) say(`${drawn + count} scenes drawn`);
    drawn += count;
  });
  if (options.evalScenes > 0) await pretraining.makeHeldOut();

  const evaluate = async () => {
    await pretraining.writeNetwork();
    if (options.evalScenes === 0) return undefined;
    const evaluation = await pretraining.measure();
    say(`step ${pretraining.step}: ${pretraining.measuredText(evaluation)}`);
    return evaluation;
  };

  let since = { step: pretraining.step, time: performance.now() };
  while (pretraining.step < options.steps && !stop.signal.aborted && seconds() < options.timeLimit) {
    const rate = pretraining.learningRate;
    await pretraining.takeStep();
    const { step } = pretraining;
    if (step % options.printEvery === 0) {
      const { total, gradientNorm, ...others } = await pretraining.losses();
      const now = performance.now();
      const speed = (step - since.step) / ((now - since.time) / 1000);
      since = { step, time: now };
      const parts = Object.entries(others).map(([name, value]) => `${name} ${value.toFixed(3)}`);
      say(
        `step ${step}/${options.steps}  loss ${total.toFixed(3)} (${parts.join(', ')})  gradient ${gradientNorm.toFixed(2)}` +
          `  lr ${rate.toExponential(2)}  ${speed.toFixed(2)} steps/s`,
      );
    }
    if (step % options.evalEvery === 0 && step < options.steps) {
      await pretraining.saveState(allSeconds());
      await evaluate();
      since = { step, time: performance.now() };
    }
  }
  await pretraining.saveState(allSeconds());
  if (pretraining.step < options.steps) {
    pretraining.stopScenes();
    say(`stopped at step ${pretraining.step}: the same command continues from here`);
    return;
  }
  const evaluation = await evaluate();
  const deviceName = options.device === 'cuda' ? 'cuda:0' : options.device;
  const { description } =
    engine()
      .devices()
      .find(({ name }) => name === deviceName) ?? {};
  await pretraining.describe({
    ...{ evaluation, seconds: allSeconds(), device: description ?? options.device },
    parameters: trainingEngine().trainingInfo(pretraining.training).parameters,
  });
  if (!options.keepScenes) await rm(options.sceneFolder, { recursive: true, force: true });
  say(`done: ${pretraining.folder}`);
}
