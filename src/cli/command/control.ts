/** `heddle control`. Started by `heddle up`; by hand where proxies run elsewhere. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { CliCommand } from '../catalogue.ts';
import type { Terminal } from '../terminal.ts';

export interface ControlOptions {
  /** Files or folders of YAML. */
  readonly paths: readonly string[];
  /** State folder: CA, unused join tokens, admin socket. */
  readonly state: string;
  /** Of the mesh. */
  readonly name: string;
  /** Of all ports. */
  readonly address: string;
  /** Of plaintext xDS; absent: `address`, which has to be a loopback address then. */
  readonly plaintextAddress?: string;
  /** Of the API and metrics; absent: `address`. */
  readonly apiAddress?: string;
  /** Ports; 0: any free one. */
  readonly xdsPort: number;
  readonly secureXdsPort: number;
  readonly apiPort: number;
  /** Folder with a Pod document for each running instance; absent: `pods` of the state folder. */
  readonly pods?: string;
  readonly allowUnsupported: readonly string[];
  readonly certificateTtlS?: number;
  /** How long the entry of a workload that is not a Pod outlives its last stream. */
  readonly workloadEntryGraceS: number;
  readonly logLevel: string;
  readonly logPath?: string;
  readonly logFormat: 'text' | 'json';
  readonly terminal: Terminal;
}

export const command: CliCommand = {
  name: 'control',
  register(program, { planes, terminal, exit }): void {
    addOptions(
      program
        .command('control')
        .summary('Run the control plane')
        .description(
          `Run the control plane: it reads Kubernetes and Istio documents, serves them to proxies as xDS, and
issues their certificates. PATH is a file or folder of YAML. Files are watched: an edit takes effect at
once, and a broken one is reported and leaves the last good version of what is broken in force.`,
        ),
    )
      .addHelpText(
        'after',
        `
Examples:
  heddle control manifests/ --state ~/.local/state/heddle/shop
  heddle control shop.yaml --state /tmp/shop --address 127.9.0.1

Ports: 15010 xDS in plaintext (no secrets), 15012 xDS and certificates over TLS, 15014 API and metrics.
SIGTERM stops it; proxies keep what they have and come back.`,
      )
      .action(async (paths: readonly string[], options: Omit<ControlOptions, 'paths' | 'terminal'>) => {
        exit(await planes.control({ ...options, paths, terminal }));
      });
  },
};

function addOptions(command: Command): Command {
  return command
    .argument('<path...>', 'files or folders of YAML')
    .requiredOption(
      '--state <dir>',
      'folder for the CA and for unused join tokens; only its owner may read it',
    )
    .option('--name <mesh>', 'name of the mesh', 'heddle')
    .option('--address <ip>', 'address of all ports', '127.0.0.1')
    .option(
      '--plaintext-address <ip>',
      'address of plaintext xDS, if others than this host cannot reach it (default: the same, a loopback address)',
    )
    .option('--api-address <ip>', 'address of the API and metrics (default: the same)')
    .option('--xds-port <port>', 'plaintext xDS; 0: any free port', portNumber, 15_010)
    .option('--secure-xds-port <port>', 'xDS and certificates over TLS; 0: any free port', portNumber, 15_012)
    .option('--api-port <port>', 'API and metrics; 0: any free port', portNumber, 15_014)
    .option(
      '--pods <dir>',
      'folder with a Pod document for each instance (default: pods of the state folder)',
    )
    .option(
      '--allow-unsupported <kind>',
      'let documents of this kind pass although they are not enforced (repeatable)',
      (kind: string, before: readonly string[]) => [...before, kind],
      [] as readonly string[],
    )
    .option('--certificate-ttl-s <seconds>', 'life of a certificate (default: 24 hours)', positiveNumber)
    .option(
      '--workload-entry-grace-s <seconds>',
      'how long a workload that registered itself stays an endpoint after its last stream',
      wholeNumber,
      10,
    )
    .option('-l, --log-level <level>', 'trace, debug, info, warning, error or off', 'info')
    .option('--log-path <file>', 'write the log there and not to standard error')
    .addOption(
      new Option('--log-format <format>', 'form of the log lines').choices(['text', 'json']).default('text'),
    );
}

function portNumber(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535) {
    throw new InvalidArgumentError('A port is a number from 0 to 65535.');
  }
  return port;
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('A whole number is needed.');
  return Number(text);
}

function positiveNumber(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError('A whole number above 0 is needed.');
  return Number(text);
}
