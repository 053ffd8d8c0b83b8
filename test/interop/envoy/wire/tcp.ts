/** Clients without HTTP: bytes as told, and what came until the end. Also what TLS says of a connection. */
import type { TLSSocket } from 'node:tls';
import type { Play, Script } from '../harness/case.ts';
import { Channel, type ChannelOptions } from './channel.ts';
import { answersOn, type Step, takeStep, tunnelView } from './http1.ts';

export interface TcpOptions extends Omit<ChannelOptions, 'tls'> {
  /** As of `tls.connect`, made from the certificates of the run. */
  readonly tls?: (play: Play) => NonNullable<ChannelOptions['tls']>;
  readonly whole?: boolean;
}

const channelOf = (play: Play, { tls, ...options }: TcpOptions): Channel =>
  new Channel(play, { ...options, ...(tls === undefined ? {} : { tls: tls(play) }) });

/** Plays the steps, and tells what came until the other side ended the connection. */
export function tcp(steps: readonly Step[], options: TcpOptions = {}): Script {
  return async (play) => {
    const channel = channelOf(play, options);
    const facts: string[] = [];
    if (options.tls !== undefined) await handshake(channel, facts);
    for (const step of steps) await takeStep(channel, play, step, options.whole);
    await channel.untilClosed();
    const view = tunnelView(channel.text);
    return { ...view, lines: [...facts, ...view.lines] };
  };
}

/** HTTP/1 over TLS: the handshake, the answers, and whether the connection lives. */
export function https(
  steps: readonly Step[],
  options: TcpOptions & { readonly methods?: readonly string[] },
): Script {
  return async (play) => {
    const channel = channelOf(play, options);
    const facts: string[] = [];
    await handshake(channel, facts);
    if (channel.closed) return { statuses: [], connection: 'closed', lines: facts };
    for (const step of steps) await takeStep(channel, play, step, options.whole);
    const view = await answersOn(channel, options);
    // With TLS 1.3 a client is refused after its own handshake: by an alert, if it still hears it.
    return { ...view, lines: [...facts, ...view.lines] };
  };
}

async function handshake(channel: Channel, facts: string[]): Promise<void> {
  await channel.until(() => channel.secured, 'end of the handshake');
  if (channel.closed && !channel.secured) {
    facts.push('tls refused');
    return;
  }
  const socket = channel.socket as TLSSocket;
  const { name } = socket.getCipher();
  const subject = socket.getPeerCertificate().subject?.CN ?? '-';
  facts.push(
    `tls ${socket.getProtocol()} ${name} alpn=${socket.alpnProtocol || '-'} server=${subject} resumed=${socket.isSessionReused()}`,
  );
}
