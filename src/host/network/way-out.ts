/**
 * What leaves the network of a mesh: the hub redirects it here, and it goes on through a doorway to the machine,
 * which has the addresses and routes. TCP only.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { originalDestination } from '../original-destination.ts';
import { join, throughDoorway } from './doorway.ts';
import { serverCloser } from './server-closer.ts';

export class WayOut {
  /** What goes through ends with it. */
  readonly close: () => Promise<void>;
  readonly #doorway: string;
  readonly #server: Server;

  private constructor(doorway: string) {
    this.#doorway = doorway;
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) =>
      this.#accept(socket),
    );
    this.close = serverCloser(this.#server);
  }

  /** @param doorway path of the one on the machine. @throws the system's error */
  static async open(port: number, doorway: string): Promise<WayOut> {
    const way = new WayOut(doorway);
    await new Promise<void>((resolve, reject) => {
      way.#server.once('error', reject);
      way.#server.listen({ host: '::', port }, () => {
        way.#server.off('error', reject);
        resolve();
      });
    });
    return way;
  }

  #accept(near: Socket): void {
    const to = originalDestination(near);
    if (to === undefined) {
      near.resetAndDestroy();
      return;
    }
    throughDoorway(this.#doorway, to.ip, to.port).then(
      (far) => join(near, far),
      // It was accepted before anybody asked: what is left to say is a reset.
      () => near.resetAndDestroy(),
    );
  }
}
