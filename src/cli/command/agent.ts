/** `heddle agent`. Started by `heddle up` beside an Envoy or a proxyless gRPC application; by hand elsewhere. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { CliCommand } from '../catalogue.ts';
import { CliError, EXIT_USAGE } from '../exit.ts';
import { addDnsOptions, checkDnsOptions, type DnsOptions } from '../option/dns.ts';
import { addGroupOptions, checkGroupOptions, type GroupOptions } from '../option/group.ts';
import { type InterceptionOptions, interceptionModeOption } from '../option/interception-mode.ts';

export interface AgentOptions extends DnsOptions, GroupOptions, InterceptionOptions {
  /** `HOST:PORT` of the control plane's TLS port. */
  readonly control: string;
  /** `HOST:PORT` of plaintext xDS, for gRPC's bootstrap; absent: port 15010 of the same host. */
  readonly xds?: string;
  /** PEM file with the root the control plane's certificate must end in. */
  readonly rootCa: string;
  readonly tokenFile?: string;
  readonly tokenFd?: number;
  /** Of the one instance, such as `storefront-1`. */
  readonly name: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly trustDomain: string;
  /** Absent: the label `app`, else the name. */
  readonly workload?: string;
  /** Mesh address of the instance. */
  readonly address: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly clusterId: string;
  readonly meshId: string;
  /** Folder for the socket, certificates and bootstraps. */
  readonly state: string;
  /** Absent: Istio's path below the folder. */
  readonly socket?: string;
  readonly certificateTtlS?: number;
  /** `HOST:PORT` at which the agent leads to Envoy's admin interface; absent: 15000 of `address`, where traffic is captured. */
  readonly adminAddress?: string;
  readonly pidFile?: string;
  readonly logLevel: string;
  readonly logPath?: string;
  readonly logFormat: 'text' | 'json';
}

export const command: CliCommand = {
  name: 'agent',
  register(program, { planes, exit }): void {
    const agent = program
      .command('agent')
      .summary('Keep certificates for a proxy or client that is not ours')
      .description(
        `Make a key for one workload instance, obtain and renew its certificate, and hand both on: over SDS on a
Unix socket for Envoy, and as cert-chain.pem, key.pem and root-cert.pem for gRPC's file_watcher. Writes
envoy-bootstrap.json and grpc-bootstrap.json, which point there. Answers DNS for an Envoy whose traffic is captured.`,
      );
    addGroupOptions(addDnsOptions(addOptions(agent)))
      .addHelpText(
        'after',
        `
Example:
  heddle agent --control 127.1.0.1:15012 --root-ca root.pem --token-file token \\
    --name storefront-1 --service-account storefront --address 127.1.1.1 --state storefront-1/
  envoy -c storefront-1/envoy-bootstrap.json`,
      )
      .action(async (options: AgentOptions) => {
        check(options);
        checkDnsOptions(options);
        checkGroupOptions(options);
        exit(await planes.agent(options));
      });
  },
};

function addOptions(command: Command): Command {
  return command
    .requiredOption(
      '--control <host:port>',
      "the control plane's TLS port, such as 127.1.0.1:15012",
      hostPort,
    )
    .option('--xds <host:port>', 'plaintext xDS for gRPC (default: port 15010 of the same host)', hostPort)
    .requiredOption('--root-ca <file>', "root certificate of the control plane's, as PEM")
    .option('--token-file <file>', 'file (mode 0600) with a one-time join token; removed once read')
    .option('--token-fd <n>', 'inherited descriptor to read a one-time join token from', wholeNumber)
    .requiredOption('--name <name>', 'name of this instance, such as storefront-1')
    .option('--namespace <namespace>', 'its namespace', 'default')
    .option('--service-account <name>', 'its service account', 'default')
    .option('--trust-domain <domain>', 'trust domain of its identity', 'cluster.local')
    .option('--workload <name>', 'name of its workload, such as the Deployment')
    .requiredOption('--address <ip>', 'its mesh address')
    .option('--labels <json>', 'its labels', stringObject, {})
    .addOption(interceptionModeOption())
    .option(
      '--admin-address <host:port>',
      "lead from there to Envoy's admin interface (default: port 15000 of the address, where traffic is captured)",
      hostPort,
    )
    .option('--cluster-id <id>', 'id of its cluster', 'Kubernetes')
    .option('--mesh-id <id>', 'id of its mesh', 'cluster.local')
    .option('--state <dir>', 'folder for the socket, the certificates and the bootstraps', '.')
    .option(
      '--socket <path>',
      'socket for SDS (default: var/run/secrets/workload-spiffe-uds/socket below it)',
    )
    .option(
      '--certificate-ttl-s <seconds>',
      'wanted life of a certificate (default: what the CA gives)',
      wholeNumber,
    )
    .option('--pid-file <file>', 'write the number of this process there when all of that is to be had')
    .option('-l, --log-level <level>', 'trace, debug, info, warning, error or off', 'info')
    .option('--log-path <file>', 'write the log there and not to standard error')
    .addOption(
      new Option('--log-format <format>', 'form of the log lines').choices(['text', 'json']).default('text'),
    );
}

/** What options cannot check one by one. */
function check({ tokenFile, tokenFd }: AgentOptions): void {
  if ((tokenFile === undefined) === (tokenFd === undefined)) {
    throw new CliError('one join token is needed', {
      advice: 'give either --token-file FILE or --token-fd N',
      exitCode: EXIT_USAGE,
    });
  }
}

function hostPort(text: string): string {
  if (!/^.+:\d+$/.test(text)) throw new InvalidArgumentError('HOST:PORT is needed.');
  return text;
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('A whole number is needed.');
  return Number(text);
}

function stringObject(text: string): Record<string, string> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      const entries = Object.entries(value);
      if (entries.every(([, label]) => typeof label === 'string')) return Object.fromEntries(entries);
    }
  } catch {
    // Falls to the message below.
  }
  throw new InvalidArgumentError('A JSON object of strings is needed.');
}
