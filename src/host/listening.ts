/**
 * Who listens where: whether somebody answers on an address, and which sockets a process and its
 * children hold open, so that an application on the wildcard address can be told from one on its own.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { throughDoorway } from './network/doorway.ts';
import { processStat } from './process-identity.ts';

/** An address to connect to. */
export interface ReachedAddress {
  readonly host: string;
  readonly port: number;
  /** Path of the doorway that leads there; absent: it is reached from here. */
  readonly doorway?: string | undefined;
}

/** Whether a TCP connection to the address is accepted within `timeoutMs`. */
export async function isAnswering(
  { host, port, doorway }: ReachedAddress,
  timeoutMs: number,
): Promise<boolean> {
  if (doorway !== undefined) {
    try {
      (await throughDoorway(doorway, host, port, timeoutMs)).destroy();
      return true;
    } catch {
      return false;
    }
  }
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (answers: boolean): void => {
      socket.destroy();
      resolve(answers);
    };
    socket.setTimeout(timeoutMs, () => end(false));
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}

export interface ListeningSocket {
  /** Such as `127.0.0.1`, `0.0.0.0` or `::`. */
  readonly address: string;
  readonly port: number;
}

/**
 * TCP sockets on which the processes of a session listen. Empty where there is no `/proc`.
 *
 * @param session the process that was started as leader of its own session, which its children share
 */
export function listeningSockets(session: number): ListeningSocket[] {
  if (process.platform !== 'linux') return [];
  const inodes = new Set(sessionProcesses(session).flatMap(socketInodes));
  return listeningRows()
    .filter(({ inode }) => inodes.has(inode))
    .map(({ address, port }) => ({ address, port }));
}

function listeningRows(): ReturnType<typeof parseSocketTable> {
  return ['tcp', 'tcp6'].flatMap((table) => {
    try {
      return parseSocketTable(readFileSync(`/proc/net/${table}`, 'latin1'));
    } catch {
      return []; // no IPv6 on this machine
    }
  });
}

/** Of our network namespace, on any address. Linux only. */
export function processesListeningOn(ports: readonly number[]): number[] {
  const inodes = new Set(
    listeningRows()
      .filter(({ port }) => ports.includes(port))
      .map(({ inode }) => inode),
  );
  return allProcesses().filter((pid) => socketInodes(pid).some((inode) => inodes.has(inode)));
}

/** Whether the address stands for every address of the machine. */
export function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

/** The living processes of a session. */
export function sessionProcesses(session: number): number[] {
  return allProcesses().filter((pid) => {
    const fields = processStat(pid);
    // Fields 3 (state) and 6 (session) of proc_pid_stat(5).
    return fields !== undefined && fields[0] !== 'Z' && fields[3] === String(session);
  });
}

function allProcesses(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function socketInodes(pid: number): string[] {
  const inodes: string[] = [];
  try {
    for (const fd of readdirSync(`/proc/${pid}/fd`)) {
      const match = /^socket:\[(\d+)\]$/.exec(readLink(`/proc/${pid}/fd/${fd}`));
      if (match !== null) inodes.push(match[1]!);
    }
  } catch {
    // It ended meanwhile, or belongs to somebody else.
  }
  return inodes;
}

function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

/** The listening rows of `/proc/net/tcp` or `/proc/net/tcp6` (proc_pid_net(5)). */
export function parseSocketTable(text: string): (ListeningSocket & { readonly inode: string })[] {
  const LISTEN = '0A'; // TCP_LISTEN of include/net/tcp_states.h
  const rows: (ListeningSocket & { readonly inode: string })[] = [];
  for (const line of text.split('\n').slice(1)) {
    const fields = line.trim().split(/\s+/);
    if (fields[3] !== LISTEN) continue;
    const [address, port] = fields[1]!.split(':');
    rows.push({ address: parseHexAddress(address!), port: Number.parseInt(port!, 16), inode: fields[9]! });
  }
  return rows;
}

/** The kernel prints addresses as 32-bit words in the machine's byte order, which is little-endian. */
function parseHexAddress(hex: string): string {
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap((word) =>
    [6, 4, 2, 0].map((at) => Number.parseInt(word.slice(at, at + 2), 16)),
  );
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.every((byte) => byte === 0)) return '::';
  const mapped = bytes.slice(0, 12).every((byte, at) => byte === (at < 10 ? 0 : 0xff));
  if (mapped) return bytes.slice(12).join('.');
  const groups: string[] = [];
  for (let at = 0; at < 16; at += 2) groups.push(((bytes[at]! << 8) | bytes[at + 1]!).toString(16));
  return groups.join(':').replace(/(^|:)(0(:|$)){2,}/, '::');
}
