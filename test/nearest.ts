import t from 'tap';
import { didYouMean, nearest } from '../lib/nearest.js';

t.test('the nearest candidate is found, and none where all are far', async (t) => {
  const names = ['classes', 'color', 'name', 'ignoreIndex'];
  for (const [word, expected] of [
    ['clases', 'classes'],
    ['colour', 'color'],
    ['Name', 'name'],
    ['nmae', 'name'],
    ['ignoreindx', 'ignoreIndex'],
    ['weights', undefined],
    ['', undefined],
  ] as const)
    t.equal(nearest(word, names), expected, word);
});

t.test('a suggestion is a sentence, or nothing', async (t) => {
  t.equal(didYouMean('clases', ['classes']), ' Did you mean "classes"?');
  t.equal(didYouMean('zebra', ['classes']), '');
});
