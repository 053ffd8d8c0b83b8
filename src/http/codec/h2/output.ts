/** Where a connection's bytes go: implemented by the owner of the socket. */

export interface H2Output {
  /**
   * The bytes gathered since the last call, once a tick where they fit.
   *
   * @returns whether `bytes` were consumed (sent or copied) and the buffer may be written again; false
   * where the output still refers to it.
   */
  write(bytes: Buffer): boolean;
  /** Whether more than the connection's buffer limit waits: data stays in the streams until `onWritable`. */
  readonly full: boolean;
  /** Whether nothing of what was written waits in this process. Limits on outbound frames count from then. */
  readonly drained: boolean;
  /** No more follows: close once what was written is out. Called once. */
  end(): void;
}
