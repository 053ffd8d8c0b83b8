// Generates src/xds/gen from proto/ with protobuf-es. Runs on any Node from 20 on.
import { spawnSync } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

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
}

if (process.argv[1] === fileURLToPath(import.meta.url)) generate();
