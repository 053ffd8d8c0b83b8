/**
 * Holds an application back: with `node --import gate.mjs`, it begins once there is no file
 * `GATE_FOLDER/HOSTNAME` (any more).
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

const lookEveryMs = 20;
const gate = join(process.env.GATE_FOLDER ?? '', process.env.HOSTNAME ?? '');
while (existsSync(gate)) await setTimeout(lookEveryMs);
