/**
 * Listening sockets that a process is given by who starts it: by their descriptors, and by the addresses it would
 * have bound itself. They may be of another network namespace, or those of the process whose place it takes.
 */
import { closeDescriptor } from './bound-socket.ts';
import { duplicateOf } from './duplicate-descriptor.ts';

/** Holds a JSON object: descriptor by address, such as `{"127.0.0.1:8080": 4}`. */
const VARIABLE = 'HEDDLE_SOCKETS';

/** Holds a JSON object: descriptors by key, one for each thread, that a predecessor had open. */
const SUCCESSION_VARIABLE = 'HEDDLE_SUCCESSION';

/** A socket for a child, and the address at which the child would listen. */
export interface HandedSocket {
  /** `127.0.0.1:8080` or `[::1]:8080`. */
  readonly address: string;
  readonly fd: number;
}

/** The variable of a child whose descriptors begin with `first` where these are. */
export function handedVariable(sockets: readonly HandedSocket[], first: number): Record<string, string> {
  if (sockets.length === 0) return {};
  const entries = sockets.map(({ address }, at) => [address, first + at]);
  return { [VARIABLE]: JSON.stringify(Object.fromEntries(entries)) };
}

/** Sockets of one key, in order of the threads that listen on them. */
export interface SucceededSocket {
  readonly key: string;
  readonly fds: readonly number[];
}

/** The variable of a successor whose descriptors begin with `first` where all of these are, in their order. */
export function successionVariable(
  sockets: readonly SucceededSocket[],
  first: number,
): Record<string, string> {
  let at = first;
  const entries = sockets.map(({ key, fds }) => [key, fds.map(() => at++)]);
  return { [SUCCESSION_VARIABLE]: JSON.stringify(Object.fromEntries(entries)) };
}

let inherited: ReadonlyMap<string, number> | undefined;

/**
 * A descriptor to listen on in place of binding the address; undefined where none was given. Each call gives one of its
 * own, so that who closes it may ask again.
 */
export function inheritedSocket(address: string): number | undefined {
  inherited ??= read<number>(VARIABLE);
  const fd = inherited.get(address);
  return fd === undefined ? undefined : duplicateOf(fd);
}

/** All that this process was given, for who takes its place. */
export function inheritedSockets(): HandedSocket[] {
  inherited ??= read<number>(VARIABLE);
  return [...inherited].map(([address, fd]) => ({ address, fd }));
}

let succession: Map<string, number[]> | undefined;

/** A socket of the predecessor, once; it belongs to who asked. */
export function succeededSocket(key: string, thread: number): number | undefined {
  succession ??= read<number[]>(SUCCESSION_VARIABLE);
  const fds = succession.get(key);
  const fd = fds?.[thread];
  if (fd !== undefined) delete fds![thread];
  return fd;
}

/** Threads that start from now on have none: those before have taken theirs. */
export function forgetSuccession(): void {
  succession ??= read<number[]>(SUCCESSION_VARIABLE);
  delete process.env[SUCCESSION_VARIABLE];
}

/** Closes sockets that nobody listens on any more. @param keys of those that are in use */
export function closeSucceededSockets(keys: ReadonlySet<string>): void {
  for (const [key, fds] of succession ?? []) {
    if (!keys.has(key)) for (const fd of fds) if (fd !== undefined) closeDescriptor(fd);
  }
  succession = new Map();
}

function read<T>(variable: string): Map<string, T> {
  const text = process.env[variable];
  if (text === undefined) return new Map();
  return new Map(Object.entries(JSON.parse(text) as Record<string, T>));
}
