/** `heddle doorway`. Started by `heddle up` in the network of a mesh. */
import { InvalidArgumentError, Option } from 'commander';
import type { CliCommand } from '../catalogue.ts';

export interface DoorwayOptions {
  /** Path of the Unix socket by which the machine reaches this network. */
  readonly in: string;
  /** Path of the Unix socket by which this network reaches what the machine does. */
  readonly out: string;
  /** Where questions for names are taken, on port 53; absent: nowhere. */
  readonly dnsAddress?: string;
  /** Where redirected connections come in. */
  readonly port: number;
  readonly logLevel: string;
  readonly logPath?: string;
  readonly logFormat: 'text' | 'json';
}

export const command: CliCommand = {
  name: 'doorway',
  register(program, { planes, exit }): void {
    program
      .command('doorway')
      .summary('Lead connections into and out of the network of a mesh')
      .description(
        `Lead connections between the network namespace it runs in and the machine, over two Unix sockets: who
connects to --in writes "ADDRESS PORT" and a line feed, and is connected from here; what the kernel redirects
to --port goes on through --out. heddle up starts one where it captures traffic.`,
      )
      .requiredOption('--in <socket>', 'Unix socket to serve: the way in')
      .requiredOption('--out <socket>', 'Unix socket to use: the way out')
      .option('--dns-address <ip>', "IPv4 address at which the machine's resolvers are asked, on port 53")
      .option('--port <port>', 'TCP port for redirected connections', portNumber, 15_009)
      .option('-l, --log-level <level>', 'trace, debug, info, warning, error or off', 'info')
      .option('--log-path <file>', 'write the log there and not to standard error')
      .addOption(
        new Option('--log-format <format>', 'form of the log lines')
          .choices(['text', 'json'])
          .default('text'),
      )
      .addHelpText(
        'after',
        `
Example:
  heddle doorway --in /run/shop/in.sock --out /run/shop/out.sock`,
      )
      .action(async (options: DoorwayOptions) => {
        exit(await planes.doorway(options));
      });
  },
};

function portNumber(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port < 1 || port > 65_535)
    throw new InvalidArgumentError('A port is a number from 1 to 65535.');
  return port;
}
