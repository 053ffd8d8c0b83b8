/** `stream-undici.mjs 1.1|2 ROOT MODULES URL`: prints an event stream as it comes. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const [version, root, modules, url] = process.argv.slice(2);
const { Agent, fetch } = createRequire(`${modules}/`)('undici');
const dispatcher = new Agent({ allowH2: version === '2', connect: { ca: readFileSync(root) } });
const response = await fetch(url, { dispatcher });
for await (const chunk of response.body) process.stdout.write(chunk);
await dispatcher.close();
