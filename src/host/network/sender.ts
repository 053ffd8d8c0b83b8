/** Whose connections are captured on a host: those of a user, or of the processes in a cgroup. */
import { createHash } from 'node:crypto';

export type Sender = { readonly uid: number } | { readonly cgroup: { readonly path: string } };

/**
 * What its rules are known by: `uid_1000`, or `cgroup_` with ten digits made of the path, for names of chains are short.
 */
export type SenderKey = string;

const HASH_DIGITS = 10;
const keyPattern = /^(?:uid_\d+|cgroup_[0-9a-f]{10})$/;

export function keyOf(sender: Sender): SenderKey {
  if ('uid' in sender) return `uid_${sender.uid}`;
  const hash = createHash('sha256').update(sender.cgroup.path).digest('hex');
  return `cgroup_${hash.slice(0, HASH_DIGITS)}`;
}

export function isSenderKey(text: string): boolean {
  return keyPattern.test(text);
}

/** In words. */
export function describeSender(sender: Sender): string {
  return 'uid' in sender ? `user ${sender.uid}` : `cgroup ${sender.cgroup.path}`;
}
