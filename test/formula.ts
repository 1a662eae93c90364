import t from 'tap';
import { fnv1a32, formulaTensor } from './helpers/formula.js';
import { close } from './helpers/close.js';

t.test('the formula gives its stated check values', async (t) => {
  t.equal(fnv1a32('image'), 3008443898);
  const atol = 5e-5;
  close(t, 'norm1', formulaTensor('blocks.0.norm1.weight', [4]).data, [0.7098, 0.8305, 1.0446, 0.8385], {
    atol,
  });
  close(t, 'image', formulaTensor('image', [1, 1, 2, 2]).data, [-1.461, -1.5367, 0.4682, -1.6712], { atol });
});
