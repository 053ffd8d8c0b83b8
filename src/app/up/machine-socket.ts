/** A socket of this machine for what listens in a namespace. */
import { CliError } from '#cli/exit.ts';
import { hostPort } from '#core/ip-address.ts';
import { bindSocket, closeDescriptor } from '#host/bound-socket.ts';
import type { HandedSocket } from '#host/inherited-sockets.ts';

export class MachineSocket {
  readonly handed: HandedSocket;

  /** @throws a {@link CliError} where the address cannot be had */
  constructor(host: string, port: number) {
    const address = hostPort(host, port);
    try {
      this.handed = { address, fd: bindSocket(host, port) };
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      throw new CliError(`cannot listen on ${address}: ${code ?? message}`, { cause: error });
    }
  }

  close(): void {
    closeDescriptor(this.handed.fd);
  }
}
