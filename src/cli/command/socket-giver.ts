/** `heddle socket-giver`. Started by `heddle run` in the network of the application. */
import { InvalidArgumentError } from 'commander';
import type { CliCommand } from '../catalogue.ts';

export interface SocketGiverOptions {
  /** Descriptor of a Unix socket to give them by. */
  readonly channelFd: number;
  /** What is bound and given first, in this order. */
  readonly bind: readonly BoundSocketOption[];
}

export interface BoundSocketOption {
  readonly kind: 'stream' | 'datagram';
  readonly host: string;
  readonly port: number;
}

export const command: CliCommand = {
  name: 'socket-giver',
  register(program, { planes, exit }): void {
    program
      .command('socket-giver')
      .summary('Make sockets in the network of an application, for its sidecar')
      .description(
        `Make sockets in the network namespace it runs in and give them away over a Unix socket, first those to
listen on, then any number to connect with. heddle run starts one beside an application.`,
      )
      .requiredOption(
        '--channel-fd <n>',
        'inherited descriptor of a Unix socket (SOCK_SEQPACKET)',
        (text) => {
          if (/^\d+$/.test(text)) return Number(text);
          throw new InvalidArgumentError('A whole number is needed.');
        },
      )
      .option(
        '--bind <tcp|udp://ip:port>',
        'such as tcp://127.0.0.1:15001; bound and given first, in their order',
        (text: string, before: readonly BoundSocketOption[]) => [...before, boundSocket(text)],
        [] as readonly BoundSocketOption[],
      )
      .addHelpText(
        'after',
        `
Example:
  heddle socket-giver --channel-fd 3 --bind tcp://127.0.0.1:15001`,
      )
      .action(async (options: SocketGiverOptions) => {
        exit(await planes.socketGiver(options));
      });
  },
};

function boundSocket(text: string): BoundSocketOption {
  const [, protocol, bracketed, plain, port] =
    /^(tcp|udp):\/\/(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined) throw new InvalidArgumentError('tcp://IP:PORT or udp://IP:PORT is needed.');
  return { kind: protocol === 'tcp' ? 'stream' : 'datagram', host, port: Number(port) };
}
