/**
 * Generates the proto code and builds `dist/`. Runs under any Node from 20 on, so that a fresh clone can
 * be prepared by whatever the host has; what it builds runs on the Node 26 of the lockfile.
 */

import { build } from './build.mjs';
import { generate } from './generate.mjs';

const startedMs = Date.now();
await generate();
await build();
console.log(`heddle: prepared dist/ in ${((Date.now() - startedMs) / 1000).toFixed(1)} s`);
