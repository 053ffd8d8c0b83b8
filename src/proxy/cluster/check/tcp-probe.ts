/** Checks of plain connections: that they can be made, or what is answered to some bytes. */
import type { Duplex } from 'node:stream';
import { Connecting } from '../../pool/connect.ts';
import { findInOrder } from './payload.ts';
import type { Probe, ProbeHandler, ProbePlace } from './probe.ts';
import type { CheckKind } from './settings.ts';

export class TcpProbe implements Probe {
  readonly #place: ProbePlace;
  readonly #check: Extract<CheckKind, { kind: 'tcp' }>;
  readonly #handler: ProbeHandler;
  #connecting: Connecting | undefined;
  #socket: Duplex | undefined;
  #received: Buffer = Buffer.alloc(0);
  #asking = false;

  constructor(place: ProbePlace, check: Extract<CheckKind, { kind: 'tcp' }>, handler: ProbeHandler) {
    this.#place = place;
    this.#check = check;
    this.#handler = handler;
  }

  begin(): void {
    this.#asking = true;
    this.#received = Buffer.alloc(0);
    if (this.#socket !== undefined) {
      this.#ask(this.#socket);
      return;
    }
    const { endpoint, settings, deps } = this.#place;
    this.#connecting = new Connecting(
      endpoint,
      settings,
      {
        onConnected: (socket) => this.#onConnected(socket),
        onConnectFailed: () => {
          this.#connecting = undefined;
          this.#fail();
        },
      },
      deps,
    );
  }

  #onConnected(socket: Duplex): void {
    this.#connecting = undefined;
    if (this.#check.receive.length === 0) {
      if (this.#check.send.length > 0) socket.write(this.#check.send);
      socket.on('error', () => {});
      socket.destroy();
      this.#pass();
      return;
    }
    this.#socket = socket;
    socket.on('data', (data: Buffer) => this.#onData(data));
    socket.on('error', () => this.#onGone(socket));
    socket.on('end', () => this.#onGone(socket));
    socket.on('close', () => this.#onGone(socket));
    this.#ask(socket);
  }

  #ask(socket: Duplex): void {
    if (this.#check.send.length > 0) socket.write(this.#check.send);
  }

  #onData(data: Buffer): void {
    this.#received = Buffer.concat([this.#received, data]);
    if (!this.#asking || !findInOrder(this.#received, this.#check.receive)) return;
    this.#received = Buffer.alloc(0);
    if (!this.#place.reusesConnection) this.#drop();
    this.#pass();
  }

  #onGone(socket: Duplex): void {
    if (this.#socket !== socket) return;
    this.#drop();
    if (this.#asking) this.#fail();
  }

  #pass(): void {
    this.#asking = false;
    this.#handler.passed(false);
  }

  #fail(): void {
    this.#asking = false;
    this.#handler.failed({ type: 'NETWORK' });
  }

  #drop(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.destroy();
  }

  abort(): void {
    this.#asking = false;
    this.#connecting?.giveUp();
    this.#connecting = undefined;
    this.#drop();
  }

  close(): void {
    this.abort();
  }
}
