// Generates src/xds/gen from proto/ with protobuf-es, on descriptors of our own. Runs on any Node from 20 on.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { swapFolder } from './swap-folder.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = join(root, 'src', 'xds', 'gen');

/** Fills `src/xds/gen` where it is older than what it is made from. Throws with buf's own words. */
export function generate() {
  if (isCurrent()) return;
  const bin = join(root, 'node_modules', '.bin');
  // Swapped in whole: what runs from source never sees half of it.
  const work = mkdtempSync(join(root, 'dist.build-gen-'));
  try {
    const { status, stderr, error } = spawnSync(join(bin, 'buf'), ['generate', '--output', work], {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH ?? ''}` },
    });
    if (error !== undefined) throw error;
    if (status !== 0) throw new Error(`buf generate failed:\n${stderr}`);
    const made = join(work, 'src', 'xds', 'gen');
    useOwnDescriptors(made);
    writeFileList(made);
    swapFolder(made, out);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function isCurrent() {
  const modifiedMs = (name) => statSync(join(root, name), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const protos = readdirSync(join(root, 'proto'), { recursive: true }).map((name) => join('proto', name));
  const sources = ['buf.yaml', 'buf.gen.yaml', 'package-lock.json', 'scripts/generate.mjs', ...protos];
  const madeMs = modifiedMs(join('src', 'xds', 'gen', 'files.js'));
  return sources.every((name) => modifiedMs(name) < madeMs);
}

/** What builds a file's descriptors is ours: see src/xds/descriptor/file.ts. */
function useOwnDescriptors(folder) {
  for (const name of readdirSync(folder, { recursive: true })) {
    if (!name.endsWith('_pb.js')) continue;
    const file = join(folder, name);
    const text = readFileSync(file, 'utf8').replace(
      /^import \{(.*)\} from "@bufbuild\/protobuf\/codegenv2";$/m,
      (_, names) => {
        const others = names.split(',').filter((word) => word.trim() !== 'fileDesc');
        const rest =
          others.length === 0 ? '' : `import {${others.join(',')}} from "@bufbuild/protobuf/codegenv2";\n`;
        return `${rest}import { fileDesc } from "#xds/descriptor/file.ts";`;
      },
    );
    writeFileSync(file, text);
  }
}

/** `files.js` names every generated file, so that the registry needs no list kept by hand. */
function writeFileList(folder) {
  const modules = readdirSync(folder, { recursive: true })
    .map((name) => name.split(sep).join('/'))
    .filter((name) => name.endsWith('_pb.js'))
    .sort();
  const names = modules.map((name) => `file_${name.replace('_pb.js', '').replaceAll('/', '_')}`);
  const imports = modules.map((name, i) => `import { ${names[i]} } from "./${name}";`);
  writeFileSync(
    join(folder, 'files.js'),
    `${imports.join('\n')}\n\nexport const files = [\n  ${names.join(',\n  ')},\n];\n`,
  );
  writeFileSync(
    join(folder, 'files.d.ts'),
    `import type { DescFile } from "@bufbuild/protobuf";\n\n/** Every file of proto/. */\nexport declare const files: readonly DescFile[];\n`,
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) generate();
