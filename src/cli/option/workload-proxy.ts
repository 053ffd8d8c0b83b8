/** The options `heddle sidecar` and `heddle gateway` share: who the workload is, and whom it trusts. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { CliError, EXIT_USAGE } from '../exit.ts';
import { type InterceptionOptions, interceptionModeOption } from './interception-mode.ts';

export interface WorkloadProxyOptions extends InterceptionOptions {
  /** `HOST:PORT` of the control plane's TLS port. */
  readonly control: string;
  /** PEM file with the root the control plane's certificate must end in. */
  readonly rootCa: string;
  /** A file with the join token, removed once read. */
  readonly tokenFile?: string;
  /** An inherited descriptor the join token is read from. */
  readonly tokenFd?: number;
  /** Where the certificate is kept, for the next process; absent: nowhere. */
  readonly certificateFolder?: string;
  /** A file to keep the last good configuration in; absent: it is not kept. */
  readonly keptConfiguration?: string;
  /** Name of the one instance, such as `reviews-v1-0`. */
  readonly name: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  /** Mesh address of the instance. */
  readonly address: string;
  readonly trustDomain: string;
  /** Name of the workload, such as a Deployment's; absent: the label `app`, else the name. */
  readonly workload?: string;
  readonly labels: Readonly<Record<string, string>>;
  /** More node metadata, over what the other options give. */
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly clusterId: string;
  readonly meshId: string;
  /** `HOST:PORT` of the admin interface, readiness and metrics; absent: 15000, 15021 and 15090 of `address`. */
  readonly adminAddress?: string;
  readonly readinessAddress?: string;
  readonly metricsAddress?: string;
  /** Threads that serve; absent: one. */
  readonly concurrency?: number;
  readonly drainTimeS: number;
  readonly pidFile?: string;
  /** Of a process in the network of the application, where that is not this one; it is then said when it can be called. */
  readonly applicationPid?: number;
  readonly certificateTtlS?: number;
  readonly logLevel: string;
  readonly logPath?: string;
  readonly logFormat: 'text' | 'json';
}

export function addWorkloadProxyOptions(command: Command): Command {
  return command
    .requiredOption(
      '--control <host:port>',
      "the control plane's TLS port, such as 127.1.0.1:15012",
      hostPort,
    )
    .requiredOption('--root-ca <file>', "root certificate of the control plane's, as PEM")
    .option('--token-file <file>', 'file (mode 0600) with a one-time join token; removed once read')
    .option('--token-fd <n>', 'inherited descriptor to read a one-time join token from', wholeNumber)
    .option(
      '--certificate-folder <dir>',
      'keep the certificate there, and begin with it while it is good: the token is needed once',
    )
    .option(
      '--kept-configuration <file>',
      'keep the configuration there (mode 0600), and begin with it while the control plane is away',
    )
    .requiredOption('--name <name>', 'name of this instance, such as reviews-v1-0')
    .option('--namespace <namespace>', 'its namespace', 'default')
    .option('--service-account <name>', 'its service account', 'default')
    .requiredOption('--address <ip>', 'its mesh address')
    .option('--trust-domain <domain>', 'trust domain of its identity', 'cluster.local')
    .option('--workload <name>', 'name of its workload, such as the Deployment')
    .option('--labels <json>', 'its labels', stringObject, {})
    .option('--metadata <json>', 'more metadata of the node', jsonObject, {})
    .option('--cluster-id <id>', 'id of its cluster', 'Kubernetes')
    .option('--mesh-id <id>', 'id of its mesh', 'cluster.local')
    .option('--admin-address <host:port>', 'admin interface (default: port 15000 of the address)', hostPort)
    .option(
      '--readiness-address <host:port>',
      '/healthz/ready (default: port 15021 of the address)',
      hostPort,
    )
    .option(
      '--metrics-address <host:port>',
      '/stats/prometheus (default: port 15090 of the address)',
      hostPort,
    )
    .addOption(interceptionModeOption())
    .option(
      '--concurrency <threads>',
      'threads that serve, each listening on every port (0 is 1)',
      wholeNumber,
    )
    .option(
      '--application-pid <pid>',
      'process in the network namespace of its application: the control plane is told when that listens',
      wholeNumber,
    )
    .option('--pid-file <file>', 'write the number of the process that serves there')
    .option(
      '--drain-time-s <seconds>',
      'how long connections may finish on a stop or a change',
      wholeNumber,
      45,
    )
    .option(
      '--certificate-ttl-s <seconds>',
      'wanted life of a certificate (default: what the CA gives)',
      wholeNumber,
    )
    .option('-l, --log-level <level>', 'trace, debug, info, warning, error or off', 'info')
    .option('--log-path <file>', 'write the log there and not to standard error')
    .addOption(
      new Option('--log-format <format>', 'form of the log lines').choices(['text', 'json']).default('text'),
    );
}

/** What options cannot check one by one. */
export function checkWorkloadProxyOptions(options: WorkloadProxyOptions): void {
  if (options.tokenFile !== undefined && options.tokenFd !== undefined) {
    throw new CliError('--token-file and --token-fd exclude each other', { exitCode: EXIT_USAGE });
  }
  const { tokenFile, tokenFd, certificateFolder } = options;
  if (tokenFile === undefined && tokenFd === undefined && certificateFolder === undefined) {
    throw new CliError('a join token is needed', {
      advice: 'give --token-file FILE or --token-fd N',
      exitCode: EXIT_USAGE,
    });
  }
}

export function hostPort(text: string): string {
  if (!/^.+:\d+$/.test(text)) throw new InvalidArgumentError('HOST:PORT is needed.');
  return text;
}

export function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('A whole number is needed.');
  return Number(text);
}

function jsonObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>;
  } catch {
    // Falls to the message below.
  }
  throw new InvalidArgumentError('A JSON object is needed.');
}

function stringObject(text: string): Record<string, string> {
  const entries = Object.entries(jsonObject(text));
  if (entries.some(([, value]) => typeof value !== 'string')) {
    throw new InvalidArgumentError('A JSON object of strings is needed.');
  }
  return Object.fromEntries(entries) as Record<string, string>;
}
