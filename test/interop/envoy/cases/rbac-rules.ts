/** Rules of who may do what, as short as a case can have them. */
import type { Message } from '../harness/bootstrap.ts';

export const permission = { any: { any: true } } as const;
export const principal = { any: { any: true } } as const;

export const policy = (permissions: readonly Message[], principals: readonly Message[]): Message => ({
  permissions,
  principals,
});

export const rules = (action: 'ALLOW' | 'DENY' | 'LOG', policies: Message): Message => ({
  rules: { action, policies },
});
