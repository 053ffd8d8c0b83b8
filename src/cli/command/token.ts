/** `heddle token create`: what lets a workload of another host join. */
import { join, resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { adminSocketPath } from '#api/admin-socket.ts';
import { ApiError, requestJoinToken } from '#api/client.ts';
import { type JoinTokenReply, maxJoinTokenTtlSeconds, maxJoinTokenUses } from '#api/contract.ts';
import type { CliCommand } from '../catalogue.ts';
import { CliError } from '../exit.ts';
import { findMesh, type MeshChoice } from '../mesh-state.ts';
import { addMeshOptions } from '../option/mesh-choice.ts';
import { addOutputOption, type OutputFormat, printData } from '../render/output.ts';

interface CreateOptions extends MeshChoice {
  readonly output: OutputFormat;
  readonly namespace: string;
  readonly serviceAccount: string;
  /** The one workload that may use it. */
  readonly for?: string;
  /** Seconds. */
  readonly ttl: number;
  readonly uses: number;
}

const DEFAULT_TTL_SECONDS = 3600;

export const command: CliCommand = {
  name: 'token',
  register(program, { terminal }): void {
    const token = program.command('token').summary('Make join tokens for workloads of other hosts');
    token
      .description('Make what a workload shows to get its first certificate.')
      .addHelpText('after', examples);
    addCreate(token).action(async (options: CreateOptions) => {
      const stateFolder =
        options.state === undefined ? findMesh(options).stateDirectory : resolve(options.state);
      const { namespace, serviceAccount, for: pod, ttl: ttlSeconds, uses } = options;
      const subject = { namespace, serviceAccount, ...(pod !== undefined && { pod }) };
      const made = await ask(stateFolder, { ...subject, ttlSeconds, uses });
      const rootCa = join(stateFolder, 'ca', 'root-cert.pem');
      const shown = { ...made, ...subject, uses, rootCa };
      await printData(terminal, options.output, shown, () => [made.token]);
      if (options.output !== 'table') return;
      const often = uses === 1 ? 'once' : `${uses} times`;
      terminal.err(`good ${often}, until ${made.expiresAt}, for ${namespace}/${serviceAccount}`);
      terminal.err(`to be shown with the root certificate: ${rootCa}`);
    });
  },
};

function addCreate(token: Command): Command {
  const create = token
    .command('create')
    .summary('Print a new join token')
    .description(
      `Print a new join token: whoever shows it gets a certificate as the service account, and with that nothing but
what the account may do. Asked of the control plane over its socket, which only the user who runs it can open.`,
    )
    .option('-n, --namespace <namespace>', 'of the workload', name, 'default')
    .option('--service-account <name>', 'that it runs as', name, 'default')
    .option('--for <name>', 'only for the workload of this name (default: for any of the account)', name)
    .option('--ttl <duration>', 'how long it is good, such as 30s, 10m or 24h', duration, DEFAULT_TTL_SECONDS)
    .option('--uses <n>', 'how often it is good', uses, 1);
  return addOutputOption(addMeshOptions(create)).addHelpText('after', examples);
}

const examples = `
Examples:
  heddle token create --namespace shop --service-account reviews > token
  heddle token create --service-account batch --uses 20 --ttl 24h -o json
  heddle token create --for reviews-vm --state /var/lib/heddle/shop

The token alone is on standard output. A token is a secret: hand it on in a file of mode 0600.`;

async function ask(
  stateFolder: string,
  request: Parameters<typeof requestJoinToken>[1],
): Promise<JoinTokenReply> {
  try {
    return await requestJoinToken(adminSocketPath(stateFolder), request);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    throw new CliError(error.message, {
      advice: 'It is asked where the control plane runs: --state names its state folder.',
      cause: error,
    });
  }
}

function name(text: string): string {
  if (/^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/.test(text)) return text;
  throw new InvalidArgumentError('A name is needed: small letters, digits, "-".');
}

function duration(text: string): number {
  const [, amount, unit = 's'] = /^(\d+)([smh]?)$/.exec(text) ?? [];
  const seconds = Number(amount) * { s: 1, m: 60, h: 3600 }[unit as 's' | 'm' | 'h'];
  if (seconds >= 1 && seconds <= maxJoinTokenTtlSeconds) return seconds;
  throw new InvalidArgumentError(`From 1s to ${maxJoinTokenTtlSeconds / 3600}h is needed, such as 10m.`);
}

function uses(text: string): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= 1 && count <= maxJoinTokenUses) return count;
  throw new InvalidArgumentError(`A whole number from 1 to ${maxJoinTokenUses} is needed.`);
}
