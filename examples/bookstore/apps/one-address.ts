/**
 * `XdsServer` of @grpc/grpc-js-xds 1.14 asks the control plane for the listener of the address it is told, and
 * then listens on every address of the machine. On a machine that runs several instances each has its own.
 */
import type { Server } from 'node:net';
import type { XdsServer } from '@grpc/grpc-js-xds';

/** Call right after `bindAsync`: the socket is opened later, when the listener has come from the control plane. */
export function listenOnlyOn(server: XdsServer, host: string, port: number): void {
  const { boundPortMap } = server as unknown as { boundPortMap?: Map<string, { tcpServer?: Server }> };
  const socket = boundPortMap?.get(`${host}:${port}`)?.tcpServer;
  if (socket === undefined)
    throw new Error('another version of @grpc/grpc-js-xds: does it keep to its address?');
  const listen = socket.listen.bind(socket);
  socket.listen = (_port: unknown, listening: unknown): Server =>
    listen({ host, port }, listening as () => void);
}
