/**
 * The bundles of long-lived processes: `dist/heddle-proxy.cjs` and, for its threads, `dist/heddle-worker.cjs` and
 * `dist/heddle-dns.cjs`.
 *
 * There are many sidecars on a host, so what counts is the memory each has to itself. A start-up snapshot
 * stays in memory beside the heap that was made of it; a bundle whose compiled code is cached starts nearly
 * as fast and keeps none of that. Modules of Node and libraries that not every proxy needs are loaded when
 * something of them is first used.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import * as esbuild from 'esbuild';

/** What every proxy uses at once; the others are loaded at their first use. */
const eagerBuiltins = [
  'fs',
  'path',
  'net',
  'stream',
  'events',
  'buffer',
  'url',
  'process',
  'timers/promises',
];

/** Libraries that read command lines and bootstraps. */
const forgotten = ['lib/commander.cjs', 'lib/js-yaml.cjs'];

/**
 * Runs `lib/NAME.js` with the code compiled when this was built. Its `require` gives libraries of `lib/` and
 * modules of Node, most of them as something that loads the module when a property is asked for.
 */
const starter = (name) => `'use strict';
const fs = require('node:fs');
const path = require('node:path');
const { Script } = require('node:vm');
const file = path.join(__dirname, 'lib', '${name}.js');
globalThis.heddleUrl = require('node:url').pathToFileURL(path.join(__dirname, 'heddle-proxy.cjs')).href;
const eager = new Set(${JSON.stringify(eagerBuiltins)}.map((id) => 'node:' + id));
const later = new Map();
function load(id) {
  return require(id.startsWith('node:') ? id : path.join(__dirname, id));
}
function requireLater(id) {
  if (eager.has(id)) return require(id);
  let stand = later.get(id);
  if (stand === undefined) {
    stand = { loaded: undefined };
    stand.proxy = new Proxy({}, { get: (_, name) => (stand.loaded ??= load(id))[name] });
    later.set(id, stand);
  }
  return stand.proxy;
}
// Lets go of libraries that a start needs and what follows seldom does; they can be loaded again.
globalThis.heddleForget = () => {
  for (const id of ${JSON.stringify(forgotten)}) {
    const stand = later.get(id);
    if (stand?.loaded === undefined) continue;
    stand.loaded = undefined;
    const name = path.join(__dirname, id);
    module.children = module.children.filter((child) => child.filename !== name);
    delete require.cache[name];
  }
};
let cachedData;
try {
  cachedData = fs.readFileSync(file.replace(/js$/, 'cache'));
} catch {}
const source = '(function (require) {' + fs.readFileSync(file, 'latin1') + '\\n})';
const script = new Script(source, { filename: file, cachedData });
const descriptors = fs.readFileSync(file.replace(/js$/, 'desc'));
globalThis.heddleDescriptors = (from, to) => descriptors.subarray(from, to);
globalThis.heddleScript = process.env.HEDDLE_CODE_CACHE === undefined ? undefined : script;
cachedData = undefined;
script.runInThisContext()(requireLater);
`;

/**
 * A loop at the top of a module stands, bundled, in one function with all other modules, and when it runs
 * often enough V8 compiles that whole function to machine code that is never run again: 400 KB. So loops
 * get functions of their own.
 */
const loopsApart = {
  name: 'loops-apart',
  setup(build) {
    build.onLoad({ filter: /\/src\/.*\.ts$/ }, (args) => ({
      contents: readFileSync(args.path, 'utf8').replace(
        /^for \((?:.*;|.*\{\n(?:(?!\}).*\n)*\})$/gm,
        (loop) => `(() => { ${loop} })();`,
      ),
      loader: 'ts',
    }));
  },
};

/**
 * Descriptors of proto files in a file of their own, as bytes. In the bundle they would be base64, and the
 * text of a bundle is kept as long as the process lives.
 */
class Descriptors {
  #parts = [];
  #length = 0;

  plugin = {
    name: 'descriptors-apart',
    setup: (build) => {
      build.onLoad({ filter: /_pb\.js$/ }, (args) => ({
        contents: readFileSync(args.path, 'utf8').replace(
          /\bfileDesc\("([^"]+)"/,
          (_, base64) => `fileDesc(heddleDescriptors(${this.#add(Buffer.from(base64, 'base64'))})`,
        ),
        loader: 'js',
      }));
    },
  };

  #add(bytes) {
    const from = this.#length;
    this.#parts.push(bytes);
    this.#length += bytes.length;
    return `${from}, ${this.#length}`;
  }

  get bytes() {
    return Buffer.concat(this.#parts);
  }
}

const entries = {
  proxy: `
    import { main } from './src/app/proxy-main.ts';
    const run = (words) => main(words).then((code) => { if (code !== undefined) process.exitCode = code; });
    if (globalThis.heddleScript === undefined) run(process.argv.slice(2));
    else globalThis.heddleRun = run;
  `,
  worker: `import './src/app/proxy-worker.ts';`,
  dns: `import './src/app/dns-worker.ts';`,
};

/** Loads what a worker loads; what it does later is compiled when it does it. */
const workerCacheMaker = (folder, name) => `
const { Worker, isMainThread, parentPort } = require('node:worker_threads');
if (isMainThread) {
  const worker = new Worker(__filename, { workerData: {} });
  worker.on('message', (message) => message === 'cached' && worker.terminate());
} else {
  // Without what a proxy gives it it does not get far, and all of its code is loaded by then.
  try { require(${JSON.stringify(path.join(folder, `heddle-${name}.cjs`))}); } catch {}
  const cache = heddleScript.createCachedData();
  require('node:fs').writeFileSync(${JSON.stringify(path.join(folder, 'lib', `${name}.cache`))}, cache);
  parentPort.postMessage('cached');
}
`;

/** Checks a bootstrap that goes through most of what a start goes through, then saves what was compiled for it. */
const cacheMaker = (folder, name) => `
require(${JSON.stringify(path.join(folder, `heddle-${name}.cjs`))});
heddleRun(['proxy', '--mode', 'validate', '-c', process.argv[2], '-l', 'off']).then(() => {
  if (process.exitCode) throw new Error('the example bootstrap is not valid');
  require('node:fs').writeFileSync(${JSON.stringify(path.join(folder, 'lib', `${name}.cache`))}, heddleScript.createCachedData());
});
`;

/**
 * @param common options of esbuild
 * @param libraries names of packages that become files of \`lib/\`
 * @param fileOf their file names there
 */
export async function buildLean(folder, common, libraries, fileOf) {
  const filter = new RegExp(`^(${libraries.map((name) => name.replace('/', '\\/')).join('|')})$`);
  const lazyLibraries = {
    name: 'lazy-libraries',
    setup(build) {
      build.onResolve({ filter }, (args) => ({ path: `lib/${fileOf(args.path)}`, external: true }));
    },
  };
  await Promise.all(
    Object.entries(entries).map(async ([name, contents]) => {
      const descriptors = new Descriptors();
      await esbuild.build({
        ...common,
        stdin: { contents, resolveDir: common.absWorkingDir, sourcefile: `${name}.js`, loader: 'js' },
        outfile: path.join(folder, 'lib', `${name}.js`),
        // One byte a character in memory.
        charset: 'ascii',
        minifySyntax: true,
        minifyWhitespace: true,
        // Names are a third of the text, which is kept; `lib/NAME.js.map` tells them.
        minifyIdentifiers: true,
        sourcemap: 'external',
        sourcesContent: false,
        supported: { 'dynamic-import': false },
        external: ['node:*'],
        define: { 'import.meta.url': 'heddleUrl', 'import.meta.main': 'false' },
        plugins: [...common.plugins, lazyLibraries, loopsApart, descriptors.plugin],
      });
      writeFileSync(path.join(folder, 'lib', `${name}.desc`), descriptors.bytes);
      writeFileSync(path.join(folder, `heddle-${name}.cjs`), starter(name));
    }),
  );
}

/** Lets \`node\` compile what a start needs and saves it; without that a start takes longer and nothing else. */
export function cacheCode(node, folder, flags, bootstrap) {
  const work = mkdtempSync(path.join(os.tmpdir(), 'heddle-cache-'));
  try {
    const maker = path.join(work, 'make.cjs');
    const workers = ['worker', 'dns'].map((name) => workerCacheMaker(folder, name));
    for (const text of [cacheMaker(folder, 'proxy'), ...workers]) {
      writeFileSync(maker, text);
      execFileSync(node, [...flags, maker, bootstrap], {
        stdio: ['ignore', 'ignore', 'inherit'],
        env: { ...process.env, HEDDLE_CODE_CACHE: '1' },
      });
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
