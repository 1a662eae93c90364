/* eslint-disable @typescript-eslint/ban-ts-comment, @typescript-eslint/no-require-imports */
/**
 * The package for `require`: the same objects that `import` gives, so there is one DinoSegError class.
 * Under `module: node16` TypeScript objects to a CommonJS file that requires an ES module; Node.js ≥ 20.19 does it.
 * @ts-ignore TS1471 */
import api = require('./index.js');
export = api;
