/**
 * Builds `dist/`: one bundle of Heddle's own code, the heavy libraries beside it (loaded on first use),
 * and a V8 start-up snapshot of the bundle, which is what commands start from. Proxies run bundles of
 * their own (`lean-bundle.mjs`).
 *
 * A snapshot may hold no handle of the operating system and cannot `import()`. So: `node:` modules are
 * fetched through getters at the time of use, and dynamic imports of libraries become `require` of a
 * file in `dist/lib/`, with a `require` that is set when the snapshot is started.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import * as esbuild from 'esbuild';
import { buildLean, cacheCode } from './lean-bundle.mjs';
import { binaryPackage, findNode } from './node-binary.mjs';
import { proxyFlags } from './proxy-flags.mjs';
import { swapFolder } from './swap-folder.mjs';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..');

/** Libraries that are only loaded by the processes that use them, and never in the snapshot. */
const lazyLibraries = ['@grpc/grpc-js', '@peculiar/x509', 'reflect-metadata', 'dns-packet'];

/** Those a proxy may do without, besides. */
const lazyInProxies = [...lazyLibraries, 're2js', 'js-yaml', 'commander'];

/** File name in `dist/lib/` of a library. */
const fileOf = (name) => `${name.replace('@', '').replace('/', '-')}.cjs`;

const builtinGetters = {
  name: 'builtin-getters',
  setup(build) {
    const require = createRequire(import.meta.url);
    build.onResolve({ filter: /^node:/ }, (args) => ({ path: args.path, namespace: 'builtin' }));
    build.onLoad({ filter: /.*/, namespace: 'builtin' }, (args) => {
      let names = [];
      try {
        names = Object.keys(require(args.path));
      } catch {
        // A module this builder's Node does not have yet: reached through `default` only.
      }
      const getters = names.map(
        (name) => `get ${JSON.stringify(name)}() { return load()[${JSON.stringify(name)}]; }`,
      );
      return {
        contents: `let loaded; const load = () => loaded ??= process.getBuiltinModule(${JSON.stringify(args.path)});
          module.exports = { __esModule: true, get default() { return load(); }, ${getters.filter((g) => !g.startsWith('get "default"')).join(',\n')} };`,
        loader: 'js',
      };
    });
  },
};

const lazyRequire = {
  name: 'lazy-libraries',
  setup(build) {
    const filter = new RegExp(`^(${lazyLibraries.map((name) => name.replace('/', '\\/')).join('|')})$`);
    build.onResolve({ filter }, (args) => ({ path: `./lib/${fileOf(args.path)}`, external: true }));
  },
};

/** The well-known types of protobuf are built as our own files are: see src/xds/descriptor/file.ts. */
const ownDescriptors = {
  name: 'own-descriptors',
  setup(build) {
    build.onLoad({ filter: /@bufbuild\/protobuf\/dist\/esm\/codegenv2\/file\.js$/ }, () => ({
      contents: `export { fileDesc } from ${JSON.stringify(path.join(root, 'src/xds/descriptor/file.ts'))};`,
      resolveDir: root,
      loader: 'js',
    }));
  },
};

/** What only a control plane or the runner needs is loaded from the bundle's text when its command runs. */
const entry = `
  import { main } from './src/app/main.ts';
  const start = (args) => main(args).then((code) => { if (code !== undefined) process.exitCode = code; });
  if (globalThis.heddleSnapshot === undefined) start(process.argv.slice(2));
  else globalThis.heddleSnapshot(start);
`;

/** Of `heddle socket-giver`, which is beside every application of `heddle run` and does next to nothing. */
const giverEntry = `
  import { main } from './src/app/giver-main.ts';
  main(process.argv.slice(2)).then((code) => { process.exitCode = code; });
`;

/** Runs before the bundle in both forms: gives it a \`require\` for \`dist/lib\` and its own place. */
const banner = `
var heddleRequire = globalThis.heddleSnapshot === undefined ? require : (id) => globalThis.heddleLibrary(id);
if (globalThis.heddleSnapshot === undefined) {
  globalThis.heddleUrl = require('node:url').pathToFileURL(__filename).href;
  globalThis.heddleSelf = [__filename];
}
(function (require) {
`;

const footer = '})(heddleRequire);';

const snapshotEntry = (bundle) => `
const { startupSnapshot } = require('node:v8');
globalThis.heddleSnapshot = (start) => {
  startupSnapshot.setDeserializeMainFunction(() => {
    const { createRequire } = process.getBuiltinModule('node:module');
    const { pathToFileURL } = process.getBuiltinModule('node:url');
    const { resolve, dirname, join } = process.getBuiltinModule('node:path');
    const at = process.execArgv.indexOf('--snapshot-blob');
    const blob = resolve(process.execArgv[at + 1]);
    const bundle = join(dirname(blob), 'heddle.cjs');
    globalThis.heddleLibrary = createRequire(bundle);
    globalThis.heddleUrl = pathToFileURL(bundle).href;
    globalThis.heddleSelf = ['--snapshot-blob', blob, '--'];
    start(process.argv.slice(1));
  });
};
${bundle}
`;

const common = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node26',
  format: 'cjs',
  legalComments: 'none',
  logLevel: 'warning',
  write: true,
};

/** Builds into a folder beside \`dist\` and swaps it in, so that what runs never sees half a build. */
export async function build() {
  const work = mkdtempSync(path.join(root, 'dist.build-'));
  try {
    mkdirSync(path.join(work, 'lib'));
    await Promise.all([
      esbuild.build({
        ...common,
        stdin: { contents: entry, resolveDir: root, sourcefile: 'entry.js', loader: 'js' },
        outfile: path.join(work, 'heddle.cjs'),
        minifySyntax: true,
        minifyWhitespace: true,
        keepNames: false,
        supported: { 'dynamic-import': false },
        plugins: [builtinGetters, lazyRequire, ownDescriptors],
        define: { 'import.meta.url': 'heddleUrl', 'import.meta.main': 'false' },
        banner: { js: banner },
        footer: { js: footer },
      }),
      esbuild.build({
        ...common,
        stdin: { contents: giverEntry, resolveDir: root, sourcefile: 'giver.js', loader: 'js' },
        outfile: path.join(work, 'heddle-giver.cjs'),
        minify: true,
        charset: 'ascii',
      }),
      buildLean(work, { ...common, plugins: [ownDescriptors] }, lazyInProxies, fileOf),
      ...lazyInProxies.map((name) =>
        esbuild.build({
          ...common,
          stdin: {
            contents: `export * from ${JSON.stringify(name)};`,
            resolveDir: root,
            loader: 'js',
          },
          outfile: path.join(work, 'lib', fileOf(name)),
          minify: true,
          charset: 'ascii',
        }),
      ),
    ]);
    const node = findNode();
    const bundle = readFileSync(path.join(work, 'heddle.cjs'), 'utf8');
    writeFileSync(path.join(work, 'snapshot.cjs'), snapshotEntry(bundle));
    execFileSync(node, ['--snapshot-blob', 'heddle.blob', '--build-snapshot', 'snapshot.cjs'], {
      cwd: work,
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    rmSync(path.join(work, 'snapshot.cjs'));
    cacheCode(node, work, proxyFlags, path.join(root, 'scripts', 'example-bootstrap.yaml'));
    const version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
    // `bin/heddle` compares this with the Node it found.
    writeFileSync(path.join(work, 'snapshot-for'), `${version} ${binaryPackage() ?? ''}\n`);
    chmodSync(work, 0o755);
    swapFolder(work, path.join(root, 'dist'));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await build();
