/** What a listener says on its port; each rejects where nothing is said. */
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { connect as connectTls } from 'node:tls';

/** A listener that is bound and does not serve yet. */
const LOOK_TIMEOUT_MS = 500;

/** Status, and how the body begins, on a connection that may have been there. */
export async function ask(port: number): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/`, {
    headers: { host: 'a.example' },
    signal: AbortSignal.timeout(LOOK_TIMEOUT_MS),
  });
  return `${response.status} ${(await response.text()).slice(0, 40)}`;
}

/** On a connection of its own. */
export async function askAnew(port: number): Promise<string> {
  const signal = AbortSignal.timeout(LOOK_TIMEOUT_MS);
  const request = get({ host: '127.0.0.1', port, headers: { host: 'a.example' }, agent: false, signal });
  const answered = once(request, 'response').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ECONNRESET') return undefined;
    throw error;
  });
  const [response] = ((await answered) ?? []) as IncomingMessage[];
  if (response === undefined) return 'nothing and closes';
  const chunks = await response.toArray();
  return `${response.statusCode} ${Buffer.concat(chunks as Buffer[])
    .toString()
    .slice(0, 40)}`;
}

/** Whose certificate it shows. */
export async function askCertificate(port: number): Promise<string> {
  const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false });
  try {
    await once(socket, 'secureConnect', { signal: AbortSignal.timeout(LOOK_TIMEOUT_MS) });
    return String(socket.getPeerCertificate().subject.CN);
  } finally {
    socket.on('error', () => {}).destroy();
  }
}
