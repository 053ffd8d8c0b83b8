/** `heddle run`. */
import { isIP } from 'node:net';
import { type Command, InvalidArgumentError } from 'commander';
import type { CliCommand } from '../catalogue.ts';
import { CliError, EXIT_USAGE } from '../exit.ts';
import { type PortMapping, portMapping } from '../option/port-mapping.ts';
import { hostPort, wholeNumber } from '../option/workload-proxy.ts';
import type { Terminal } from '../terminal.ts';

export interface RunOptions {
  /** The program and its arguments. */
  readonly command: readonly string[];
  /** `HOST:PORT` of the control plane's TLS port. */
  readonly controlPlane: string;
  /** PEM file with the root the control plane's certificate must end in. */
  readonly rootCert: string;
  /** A file with a join token, removed once read; `-` is the first line of standard input. Absent: HEDDLE_TOKEN. */
  readonly token?: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly trustDomain: string;
  /** That it is an instance of, with `port`. */
  readonly service?: string;
  readonly port: readonly PortMapping[];
  /** WorkloadGroup that it is a member of. */
  readonly group?: string;
  /** Of this instance; absent: made of the service and this host. */
  readonly name?: string;
  /** Of this host, as others reach it; absent: as the control plane sees it. */
  readonly address?: string;
  readonly label: Readonly<Record<string, string>>;
  /** Where the certificate is kept; absent: nowhere. */
  readonly state?: string;
  /** `HOST:PORT` of interfaces of the sidecar; absent: any port of the loopback interface. */
  readonly adminAddress?: string;
  readonly metricsAddress?: string;
  readonly drainTimeS: number;
  readonly logLevel: string;
  /** Of the sidecar; absent: kept while it runs, and shown where it fails. */
  readonly logPath?: string;
  readonly terminal: Terminal;
}

export const command: CliCommand = {
  name: 'run',
  register(program, { planes, terminal, run }): void {
    // What follows the program is the program's.
    program.enablePositionalOptions();
    addOptions(
      program
        .command('run')
        .summary('Run one program of this host in a mesh')
        .description(
          `Run a program of this host as part of a mesh: in a network of its own, with a sidecar that takes what it sends and
gets. The program knows nothing of it, and root is not needed. Its exit code is that of this command, and signals reach it.`,
        )
        .passThroughOptions()
        .argument('<command...>', 'the program and its arguments, after --'),
    )
      .addHelpText(
        'after',
        `
Examples:
  heddle run --control-plane 192.0.2.1:15012 --root-cert root.pem --token token -- curl http://reviews:9080/
  heddle run --control-plane 192.0.2.1:15012 --root-cert root.pem --token token \\
    --service reviews --port http:9080 -- node reviews.js

It takes Linux, and what heddle up --capture takes: unshare, nsenter, ip and nft or iptables, and user namespaces.`,
      )
      .action((words: readonly string[], given: Omit<RunOptions, 'command' | 'terminal'>) => {
        const options = { ...given, command: words, terminal };
        checkOptions(options);
        run(() => planes.run(options));
      });
  },
};

function addOptions(command: Command): Command {
  return command
    .requiredOption(
      '--control-plane <host:port>',
      "the control plane's TLS port, such as 192.0.2.1:15012",
      hostPort,
    )
    .requiredOption('--root-cert <file>', "root certificate of the control plane's, as PEM")
    .option(
      '--token <file>',
      'file (mode 0600) with a one-time join token, removed once read; -: first line of standard input (default: HEDDLE_TOKEN)',
    )
    .option('--namespace <namespace>', 'its namespace', 'default')
    .option('--service-account <name>', 'its service account', 'default')
    .option('--trust-domain <domain>', 'trust domain of its identity', 'cluster.local')
    .option('--service <name>', 'service that it is an instance of')
    .option(
      '--port <[name:][hostport:]port>',
      'port it listens on, by the name it has in the service, such as http:9080; callers come to hostport (0: any free one) of this host, by default the same number; repeatable',
      (text: string, before: readonly PortMapping[]) => [...before, portMapping(text)],
      [] as readonly PortMapping[],
    )
    .option('--group <name>', 'WorkloadGroup that it is a member of')
    .option('--name <name>', 'name of this instance (default: made of the service and this host)')
    .option(
      '--address <ip>',
      'address of this host as others reach it (default: towards the control plane)',
      ip,
    )
    .option(
      '-l, --label <key=value>',
      'label of this instance; repeatable',
      label,
      {} as Readonly<Record<string, string>>,
    )
    .option('--state <dir>', 'keep the certificate there: while it is good, a later run needs no token')
    .option(
      '--admin-address <host:port>',
      'admin interface of the sidecar (default: any port of 127.0.0.1)',
      hostPort,
    )
    .option('--metrics-address <host:port>', '/stats/prometheus (default: any port of 127.0.0.1)', hostPort)
    .option('--drain-time-s <seconds>', 'how long connections may finish at the end', wholeNumber, 5)
    .option('--log-level <level>', 'of the sidecar: trace, debug, info, warning, error or off', 'info')
    .option('--log-path <file>', "write the sidecar's log there (default: shown where it fails)");
}

/** What options cannot check one by one. */
function checkOptions({ service, group, port, command }: RunOptions): void {
  const refuse = (message: string, advice: string): never => {
    throw new CliError(message, { advice, exitCode: EXIT_USAGE });
  };
  if (command.length === 0)
    refuse('a program is needed', 'write it after --: heddle run … -- PROGRAM ARGUMENTS');
  if (service !== undefined && group !== undefined)
    refuse('--service and --group exclude each other', 'a WorkloadGroup says itself what its members serve');
  if (service !== undefined && port.length === 0)
    refuse('--service needs a --port', 'say where the program listens, such as --port http:9080');
  if (service === undefined && port.length > 0)
    refuse('--port needs a --service', 'name the service whose port it is: --service NAME');
  for (const field of ['name', 'number', 'hostPort'] as const) {
    const values = port.map(({ [field]: value }) => value).filter((value) => value !== 0);
    const twice = values.find((value, at) => values.indexOf(value) !== at);
    if (twice !== undefined)
      refuse(`--port names ${twice} twice`, 'each port has a name and numbers of its own');
  }
}

function ip(text: string): string {
  if (isIP(text) === 0) throw new InvalidArgumentError('An IP address is needed.');
  return text;
}

function label(text: string, before: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const [, key, value] = /^([^=\s]+)=(\S*)$/.exec(text) ?? [];
  if (key === undefined) throw new InvalidArgumentError('KEY=VALUE is needed, such as version=v2.');
  return { ...before, [key]: value! };
}
