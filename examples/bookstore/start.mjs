/**
 * Runs a TypeScript file: `node start.mjs apps/reviews.ts`. Node 26 does that by itself, except for files
 * below a folder named node_modules, where npm puts these examples when heddle is installed as a package.
 */
import { readFileSync } from 'node:fs';
import { registerHooks, stripTypeScriptTypes } from 'node:module';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

registerHooks({
  load(url, context, nextLoad) {
    const installed = url.startsWith('file:') && url.endsWith('.ts') && url.includes('/node_modules/');
    if (!installed) return nextLoad(url, context);
    const source = stripTypeScriptTypes(readFileSync(fileURLToPath(url), 'utf8'));
    return { format: 'module', shortCircuit: true, source };
  },
});

process.removeAllListeners('warning'); // "stripTypeScriptTypes is an experimental feature", at every start
const [, , script] = process.argv;
if (script === undefined) throw new Error('usage: node start.mjs FILE.ts');
await import(pathToFileURL(resolve(script)).href);
