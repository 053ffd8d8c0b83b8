/**
 * The process whose place this one takes, as seen from this one: it hands over its listening sockets (`HEDDLE_SUCCESSION`)
 * and by a channel what else is not to be made anew, and lets go when it hears that this one serves.
 */
import { once } from 'node:events';
import { Socket } from 'node:net';
import { closeSucceededSockets } from '#host/inherited-sockets.ts';
import type { WorkloadCertificate } from './workload-identity.ts';

/** Holds the descriptor of the channel. */
export const PREDECESSOR_VARIABLE = 'HEDDLE_PREDECESSOR';
/** What this process says when it serves. */
export const READY = 'ready\n';

/** One line of JSON: what a successor would otherwise ask for or make up. */
export interface Estate {
  /** Join tokens are good once: the certificate in force asks for the next one. */
  readonly certificate?: WorkloadCertificate;
  /** Base64, so that clients may go on with their sessions. */
  readonly ticketSecret: string;
}

export class Predecessor {
  readonly estate: Estate;
  readonly #channel: Socket;

  private constructor(channel: Socket, estate: Estate) {
    this.#channel = channel;
    this.estate = estate;
  }

  /** Undefined where this process takes nobody's place. Rejects where the predecessor is gone before it has said a word. */
  static async find(): Promise<Predecessor | undefined> {
    const fd = process.env[PREDECESSOR_VARIABLE];
    if (fd === undefined) return undefined;
    delete process.env[PREDECESSOR_VARIABLE];
    const channel = new Socket({ fd: Number(fd), readable: true, writable: true });
    channel.setEncoding('utf8').on('error', () => {});
    const gone = once(channel, 'end').then(() => {
      throw new Error('the process whose place this one takes is gone');
    });
    gone.catch(() => {});
    let text = '';
    while (!text.includes('\n')) {
      const [said] = (await Promise.race([once(channel, 'data'), gone])) as [string];
      text += said;
    }
    // A process that cannot serve ends: this is not to keep it.
    channel.unref();
    return new Predecessor(channel, JSON.parse(text) as Estate);
  }

  /** This process serves. @param keys of sockets that are in use; the others are closed */
  release(keys: ReadonlySet<string>): void {
    closeSucceededSockets(keys);
    this.#channel.end(READY);
  }
}
