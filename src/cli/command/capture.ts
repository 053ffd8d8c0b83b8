/** `heddle capture`: has the kernel lead the connections of one user or cgroup of this host to a sidecar. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { isIpRange } from '#core/ip-address.ts';
import type { CliCommand } from '../catalogue.ts';
import { CliError, EXIT_USAGE } from '../exit.ts';
import { addOutputOption, type OutputFormat } from '../render/output.ts';
import type { Terminal } from '../terminal.ts';

interface CommonOptions {
  readonly terminal: Terminal;
  /** Folder of the journal. */
  readonly journal: string;
}

export type CaptureOptions = CommonOptions &
  (
    | {
        readonly verb: 'install';
        readonly sender: GivenSender;
        readonly inboundPorts: readonly number[];
        readonly outboundRanges: '*' | readonly string[];
        readonly excludeOutboundRanges: readonly string[];
        readonly outboundPorts: readonly number[];
        readonly excludeOutboundPorts: readonly number[];
        readonly dns: boolean;
      }
    | { readonly verb: 'uninstall'; readonly sender: GivenSender }
    | { readonly verb: 'status'; readonly output: OutputFormat }
  );

export type GivenSender =
  | { readonly kind: 'uid' /** A number or a name. */; readonly user: string }
  | { readonly kind: 'cgroup' /** Its folder, or its path in the hierarchy. */; readonly path: string };

/** Of one verb, as the command line has them. */
type Given<V> = Omit<Extract<CaptureOptions, { verb: V }>, 'verb' | 'terminal' | 'sender'> & {
  readonly uid?: string;
  readonly cgroup?: string;
};

const JOURNAL = '/var/lib/heddle/capture';

export const command: CliCommand = {
  name: 'capture',
  register(program, { planes, terminal, exit }): void {
    const capture = program
      .command('capture')
      .summary("Lead one user's or cgroup's connections on this host through a sidecar")
      .description(
        `Have the kernel lead the connections of one user of this host or of the processes in one cgroup, and those to
its ports, through a sidecar that runs beside it (heddle sidecar --interception-mode REDIRECT). As root, on Linux, by
nft, or iptables where that is not there or does not work. What is done is written into a journal; uninstall looks
whether anything is left.`,
      )
      .addHelpText(
        'after',
        `
Examples:
  heddle capture install --uid shop --inbound-ports 8080
  heddle capture install --cgroup system.slice/shop.service --inbound-ports 8080
  heddle capture status
  heddle capture uninstall --uid shop`,
      );
    const verb = (name: string, summary: string): Command =>
      capture.command(name).summary(summary).description(`${summary}.`);
    const journal = (of: Command): Command =>
      of.addOption(new Option('--journal <folder>', 'where what is done is written down').default(JOURNAL));
    const sender = (of: Command): Command =>
      of
        .addOption(new Option('--uid <user>', 'the user, by name or number').conflicts('cgroup'))
        .option('--cgroup <path>', 'or the cgroup (v2), by its folder or its path in the hierarchy');

    journal(
      sender(
        verb(
          'install',
          'Lead the connections of a user or cgroup through the sidecar; again: by other rules',
        ),
      ),
    )
      .option(
        '--inbound-ports <ports>',
        'ports of its applications: who connects to them gets the sidecar',
        ports,
        [],
      )
      .option('--outbound-ranges <cidrs>', 'destinations that go through the sidecar', ranges, '*')
      .option('--exclude-outbound-ranges <cidrs>', 'destinations that do not', someRanges, [])
      .option('--outbound-ports <ports>', 'ports that go through it wherever they lead', ports, [])
      .option('--exclude-outbound-ports <ports>', 'ports that do not', ports, [])
      .option('--dns', 'have the sidecar answer their questions for names too', false)
      .action(async (options: Given<'install'>) => {
        exit(await planes.capture({ ...options, sender: senderOf(options), verb: 'install', terminal }));
      });
    journal(sender(verb('uninstall', 'Take all of that away'))).action(
      async (options: Given<'uninstall'>) => {
        exit(await planes.capture({ ...options, sender: senderOf(options), verb: 'uninstall', terminal }));
      },
    );
    addOutputOption(
      journal(verb('status', 'Show whose connections are captured, and whether the rules are as installed')),
    ).action(async (options: Given<'status'>) => {
      exit(await planes.capture({ ...options, verb: 'status', terminal }));
    });
  },
};

function senderOf({ uid, cgroup }: { readonly uid?: string; readonly cgroup?: string }): GivenSender {
  if (uid !== undefined) return { kind: 'uid', user: uid };
  if (cgroup !== undefined) return { kind: 'cgroup', path: cgroup };
  throw new CliError('it is not said whose connections are meant', {
    advice: 'name a user with --uid, or a cgroup with --cgroup',
    exitCode: EXIT_USAGE,
  });
}

function ports(text: string): number[] {
  return listOf(text).map((word) => {
    const port = Number(word);
    if (!/^\d+$/.test(word) || port < 1 || port > 65_535) {
      throw new InvalidArgumentError(`"${word}" is no port; write them as 8080,9090.`);
    }
    return port;
  });
}

function ranges(text: string): '*' | string[] {
  return text.trim() === '*' ? '*' : someRanges(text);
}

function someRanges(text: string): string[] {
  const all = listOf(text);
  for (const word of all) {
    if (!isIpRange(word)) {
      throw new InvalidArgumentError(
        `"${word}" is no range of addresses; write them as 10.0.0.0/8,fd00::/8.`,
      );
    }
  }
  return all;
}

function listOf(text: string): string[] {
  return text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
}
