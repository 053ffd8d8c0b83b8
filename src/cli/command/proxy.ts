/** `heddle proxy`: an Envoy bootstrap run by Heddle, with Envoy's flags by Envoy's names. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { CliCommand } from '../catalogue.ts';
import { CliError, EXIT_USAGE } from '../exit.ts';

/** The flags as given; names are Envoy's. */
export interface ProxyOptions {
  readonly configPath?: string;
  readonly configYaml?: string;
  readonly mode: 'serve' | 'validate';
  readonly serviceCluster?: string;
  readonly serviceNode?: string;
  readonly serviceZone?: string;
  readonly concurrency?: number;
  readonly logLevel: string;
  /** A file to write the log to; absent: standard error. */
  readonly logPath?: string;
  readonly logFormat: 'text' | 'json';
  readonly drainTimeS: number;
  readonly pidFile?: string;
  readonly drainStrategy: 'immediate';
  readonly parentShutdownTimeS?: number;
  /** A file to write the admin interface's address to. */
  readonly adminAddressPath?: string;
  readonly baseId?: number;
  readonly restartEpoch?: number;
  readonly disableHotRestart?: boolean;
  /** A file to keep the last good configuration of management servers in. */
  readonly keptConfiguration?: string;
  readonly allowUnknownStaticFields?: boolean;
  readonly rejectUnknownDynamicFields?: boolean;
  readonly ignoreUnknownDynamicFields?: boolean;
  readonly fileFlushIntervalMsec?: number;
}

/** Flags of Envoy that would promise what is not done, with the reason. */
const refusedFlags: readonly (readonly [flag: string, reason: string])[] = [
  ['--component-log-level <levels>', 'there is one logger: use --log-level'],
  ['--log-format-escaped', 'every line of the log is escaped already'],
  ['--enable-fine-grain-logging', 'there is one logger: use --log-level'],
  ['--enable-mutex-tracing', 'there are no mutexes'],
  ['--cpuset-threads', 'pin the process with taskset'],
  ['--base-id-path <path>', 'a hot restart needs none: send SIGUSR2'],
  ['--use-dynamic-base-id', 'a hot restart needs none: send SIGUSR2'],
  ['--skip-hot-restart-on-no-parent', 'a hot restart needs none: send SIGUSR2'],
  ['--skip-hot-restart-parent-stats', 'a hot restart needs none: send SIGUSR2'],
  ['--hot-restart-version', 'a hot restart needs none: send SIGUSR2'],
  ['--socket-path <path>', 'a hot restart needs none: send SIGUSR2'],
  ['--socket-mode <mode>', 'a hot restart needs none: send SIGUSR2'],
  ['--local-address-ip-version <version>', 'write the address in the bootstrap'],
  ['--bootstrap-version <version>', 'only version 3 exists'],
  ['--allow-unknown-fields', 'use --allow-unknown-static-fields'],
  ['--stats-tag <tag>', 'tags of statistics cannot be added yet'],
];

export const command: CliCommand = {
  name: 'proxy',
  register(program, { planes, run }): void {
    const proxy = program
      .command('proxy')
      .summary("Run an Envoy bootstrap file, with Envoy's flags")
      .description(
        'Run an Envoy bootstrap (YAML or JSON), with its static resources and those an ADS server sends.\n' +
          "Flags have Envoy's names. A field that is not supported is an error with its place.",
      );
    addFlags(proxy)
      .addHelpText(
        'after',
        `
Examples:
  heddle proxy -c envoy.yaml                       run it
  heddle proxy -c envoy.yaml --mode validate       check it and stop
  heddle proxy -c envoy.yaml --config-yaml 'admin: {address: {socket_address: {address: 127.0.0.1, port_value: 9901}}}'

Exit codes: 0 stopped in order or valid, 1 could not run, 64 wrong flags, 65 the bootstrap is not valid.`,
      )
      .action((options: ProxyOptions & Record<string, unknown>) => {
        refuse(options);
        run(() => planes.proxy(options));
      });
  },
};

function addFlags(proxy: Command): Command {
  proxy
    .option('-c, --config-path <file>', 'the bootstrap file')
    .option('--config-yaml <yaml>', 'a bootstrap as text, merged over that of the file')
    .addOption(
      new Option('--mode <mode>', 'serve, or only check the bootstrap')
        .choices(['serve', 'validate'])
        .default('serve'),
    )
    .option('--service-cluster <name>', 'cluster of the node, over node.cluster')
    .option('--service-node <id>', 'id of the node, over node.id')
    .option('--service-zone <zone>', 'zone of the node, over node.locality.zone')
    .option(
      '--concurrency <threads>',
      'threads that serve, each listening on every port (0 is 1)',
      wholeNumber,
    )
    .option('-l, --log-level <level>', 'trace, debug, info, warning, error, critical or off', 'info')
    .option('--log-path <file>', 'write the log there and not to standard error')
    .addOption(
      new Option('--log-format <format>', 'form of the log lines; patterns of Envoy are not supported')
        .choices(['text', 'json'])
        .default('text'),
    )
    .option('--pid-file <file>', 'write the number of the process that serves there')
    .option(
      '--drain-time-s <seconds>',
      'how long connections may finish on a stop or a change',
      wholeNumber,
      600,
    )
    .addOption(
      new Option(
        '--drain-strategy <strategy>',
        'when connections are asked to close: at once (gradual is not supported)',
      )
        .choices(['immediate'])
        .default('immediate'),
    )
    .option('--admin-address-path <file>', "write the admin interface's address there")
    .option(
      '--kept-configuration <file>',
      'keep what management servers said there (mode 0600), and begin with it while they are away',
    )
    .option('--allow-unknown-static-fields', 'warn of unknown fields of the bootstrap and leave them out')
    .option('--reject-unknown-dynamic-fields', 'refuse resources of a management server with unknown fields')
    .option('--ignore-unknown-dynamic-fields', 'say nothing of unknown fields of a management server')
    .option('--file-flush-interval-msec <ms>', 'access logs are written at least this often', wholeNumber)
    .option('--disable-hot-restart', 'no process may take the place of this one')
    .option('--base-id <id>', 'hot restarts need no number: no effect, said in the log', wholeNumber)
    .option('--restart-epoch <n>', 'only 0: the running process starts the next one', wholeNumber)
    .option(
      '--parent-shutdown-time-s <seconds>',
      'the drain time ends an old process: no effect, said in the log',
      wholeNumber,
    );
  for (const [flag, reason] of refusedFlags) proxy.addOption(new Option(flag, reason).hideHelp());
  return proxy;
}

/** All flags that cannot be honoured, in one message. */
function refuse(options: Readonly<Record<string, unknown>>): void {
  const problems = refusedFlags.flatMap(([flag, reason]) => {
    const option = new Option(flag);
    return options[option.attributeName()] === undefined
      ? []
      : [`${option.long} is not supported: ${reason}`];
  });
  if (Number(options.restartEpoch ?? 0) !== 0)
    problems.push('--restart-epoch must be 0: the running process starts the next one, at SIGUSR2');
  if (options.configPath === undefined && options.configYaml === undefined) {
    problems.push('a bootstrap is needed: -c FILE or --config-yaml YAML');
  }
  if (options.rejectUnknownDynamicFields === true && options.ignoreUnknownDynamicFields === true) {
    problems.push('--reject-unknown-dynamic-fields and --ignore-unknown-dynamic-fields exclude each other');
  }
  if (problems.length > 0) throw new CliError(problems.join('\n'), { exitCode: EXIT_USAGE });
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('A whole number is needed.');
  return Number(text);
}
