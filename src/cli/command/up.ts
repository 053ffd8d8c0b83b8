/** `heddle up`. */
import { InvalidArgumentError, Option } from 'commander';
import type { CliCommand } from '../catalogue.ts';
import type { Terminal } from '../terminal.ts';

export interface UpOptions {
  /** Files or folders of YAML. */
  readonly paths: readonly string[];
  /** Absent: the name of the `LocalMesh`, else of the first folder. */
  readonly name?: string;
  /** State folder; absent: by name, in the user's state folder. */
  readonly state?: string;
  /** Absent: what the `LocalMesh` says, else 8080. */
  readonly ingressPort?: number;
  /** Whether the kernel leads all traffic through the sidecars: where it can be, only so, or not. */
  readonly capture: 'auto' | 'always' | 'never';
  /** False: no ingress gateway. */
  readonly ingress: boolean;
  /** Show what applications write. */
  readonly logs: boolean;
  readonly allowUnsupported: readonly string[];
  readonly terminal: Terminal;
}

export const command: CliCommand = {
  name: 'up',
  register(program, { planes, terminal, exit }): void {
    program
      .command('up')
      .summary('Run a whole mesh on this machine from YAML files')
      .description(
        `Run a whole mesh on this machine: a control plane, an ingress gateway, and for each instance of
each Deployment, StatefulSet or Job its application and its sidecar. Needs no root, containers or cluster.

PATH is a file or folder of Kubernetes and Istio documents, with a LocalMesh document that says
which local command stands for which container image. Files are watched: an edit takes effect at
once, and a broken one leaves the last good version of what is broken in force. Ctrl-C stops everything in order.`,
      )
      .argument('<path...>', 'files or folders of YAML')
      .option('--name <mesh>', 'name of the mesh (default: of the LocalMesh document)')
      .option('--state <dir>', 'folder for state and logs (default: ~/.local/state/heddle/MESH)')
      .option('--ingress-port <port>', 'port of this machine for the ingress; 0: any free one', portNumber)
      .addOption(
        new Option(
          '--capture <when>',
          'lead all traffic through the sidecars, in network namespaces: where that can be had (auto), or as an error where not, or never',
        )
          .choices(['auto', 'always', 'never'])
          .default('auto'),
      )
      .option('--no-ingress', 'run no ingress gateway')
      .option('--logs', 'show what applications write', false)
      .option(
        '--allow-unsupported <kind>',
        'let documents of this kind pass although they are not enforced (repeatable)',
        (kind: string, before: readonly string[]) => [...before, kind],
        [] as readonly string[],
      )
      .addHelpText(
        'after',
        `
Examples:
  heddle up examples/bookstore
  heddle up manifests/ heddle.yaml --logs
  heddle up shop/ --ingress-port 9000 --state /tmp/shop

For a workload with "sidecar: envoy" in the LocalMesh, Envoy is looked for in HEDDLE_ENVOY, in
.peers/bin (npm run peers envoy) and in PATH.

Exit codes: 0 stopped in order, 1 could not run, 65 the documents are wrong.`,
      )
      .action(async (paths: readonly string[], options: Omit<UpOptions, 'paths' | 'terminal'>) => {
        exit(await planes.up({ ...options, paths, terminal }));
      });
  },
};

function portNumber(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535)
    throw new InvalidArgumentError('A port is a number from 0 to 65535.');
  return port;
}
