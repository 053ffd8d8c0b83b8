// Generates src/xds/gen from proto/ with protobuf-es. Runs on any Node from 20 on.
import { spawnSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { delimiter, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = join(root, 'src', 'xds', 'gen');

/** Fills `src/xds/gen`; what was there is replaced. Throws with buf's own words when a file does not compile. */
export function generate() {
  const bin = join(root, 'node_modules', '.bin');
  const { status, stderr, error } = spawnSync(join(bin, 'buf'), ['generate'], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH ?? ''}` },
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`buf generate failed:\n${stderr}`);
  writeFileList();
}

/** `files.js` names every generated file, so that the registry needs no list kept by hand. */
function writeFileList() {
  const modules = readdirSync(out, { recursive: true })
    .map((name) => name.split(sep).join('/'))
    .filter((name) => name.endsWith('_pb.js'))
    .sort();
  const names = modules.map((name) => `file_${name.replace('_pb.js', '').replaceAll('/', '_')}`);
  const imports = modules.map((name, i) => `import { ${names[i]} } from "./${name}";`);
  writeFileSync(
    join(out, 'files.js'),
    `${imports.join('\n')}\n\nexport const files = [\n  ${names.join(',\n  ')},\n];\n`,
  );
  writeFileSync(
    join(out, 'files.d.ts'),
    `import type { DescFile } from "@bufbuild/protobuf";\n\n/** Every file of proto/. */\nexport declare const files: readonly DescFile[];\n`,
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) generate();
