/** One of several threads with the same configuration, each with a data path of its own. */
export interface ServingThread {
  /** From 0. The first one has what only one of them can have, such as a Unix socket. */
  readonly index: number;
  readonly count: number;
  /** What session tickets are made with: a client comes back to any thread. */
  readonly ticketSecret?: Uint8Array;
}
