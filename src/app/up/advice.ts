/** Why an application does not answer where it should, and the line to change. */
import { readFileSync, statSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { isWildcard, listeningSockets } from '#host/listening.ts';
import type { ContainerPlan } from './workload-plan.ts';

/** Larger files are not written by hand. */
const MAX_SOURCE_BYTES = 512 * 1024;
/** What opening a server looks like in the languages people write services in. */
const listenCall =
  /\.listen\(|listen_and_serve|ListenAndServe|net\.Listen\(|HTTPServer\(|app\.run\(|uvicorn\.run\(|0\.0\.0\.0|server\.port/;

/** A place in an application's source that opens a server: `apps/reviews.ts:42`. */
export interface ListenLine {
  readonly place: string;
  readonly text: string;
}

/** The first line of the files named in the command that looks like opening a server. */
export function findListenLine(
  container: Pick<ContainerPlan, 'command' | 'workingDirectory'>,
): ListenLine | undefined {
  for (const word of container.command.slice(1)) {
    const file = resolve(container.workingDirectory, word);
    const lines = readSource(file)?.split('\n') ?? [];
    const at = lines.findIndex((line) => listenCall.test(line));
    if (at >= 0) return { place: `${relative(process.cwd(), file)}:${at + 1}`, text: lines[at]!.trim() };
  }
  return undefined;
}

function readSource(file: string): string | undefined {
  try {
    if (statSync(file).size > MAX_SOURCE_BYTES) return undefined;
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

/**
 * Lines for a person about an application that listens elsewhere, or tried to; none when nothing is known.
 *
 * @param session of the application's process, when it runs
 * @param logEnd the last lines it wrote, when it has ended
 */
export function listenAdvice(
  container: ContainerPlan,
  address: string,
  { session, logEnd }: { readonly session?: number; readonly logEnd?: string },
): string[] {
  const port = container.ports[0]?.containerPort;
  if (port === undefined) return [];
  const found = session === undefined ? undefined : elsewhere(session, address, port);
  const refused = logEnd !== undefined && /EADDRINUSE|address already in use/i.test(logEnd);
  if (found === undefined && !refused) return [];
  const place = findListenLine(container);
  return [
    found === undefined
      ? `it asked for a port that its sidecar holds, probably on every address (0.0.0.0:${port})`
      : `it listens on ${found}, not on ${address}:${port}`,
    `it must listen on the address in HOST and the port in PORT, such as: server.listen(process.env.PORT, process.env.HOST)`,
    ...(place === undefined ? [] : [`probably here: ${place.place}: ${place.text}`]),
  ];
}

/** Where it listens, when not at `address:port`; the wildcard before any other place. */
function elsewhere(session: number, address: string, port: number): string | undefined {
  const sockets = listeningSockets(session);
  if (sockets.some((socket) => socket.address === address && socket.port === port)) return undefined;
  const other = sockets.find((socket) => isWildcard(socket.address)) ?? sockets[0];
  if (other === undefined) return undefined;
  return other.address.includes(':') ? `[${other.address}]:${other.port}` : `${other.address}:${other.port}`;
}
