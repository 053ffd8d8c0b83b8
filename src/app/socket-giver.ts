/** Composition root of `heddle socket-giver`: makes sockets in the network it runs in, for a sidecar that is not in it. */
import type { SocketGiverOptions } from '#cli/command/socket-giver.ts';
import { CliError, EXIT_OK } from '#cli/exit.ts';
import { giveBoundSockets, giveSockets } from '#host/network/socket-giver.ts';

/** Runs until nobody is left to take a socket; resolves to the exit code. */
export async function runSocketGiver({ channelFd, bind }: SocketGiverOptions): Promise<number> {
  try {
    giveBoundSockets(channelFd, bind);
    await new Promise<void>((written) => process.stdout.write('there\n', () => written()));
    giveSockets(channelFd);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EPIPE') return EXIT_OK;
    throw new CliError(`cannot give sockets: ${message}`, { cause: error });
  }
}
