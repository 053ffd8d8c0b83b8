/**
 * Join tokens: what a workload without a certificate shows to get its first one.
 *
 * Kept as one file a token, named by the token's SHA-256, so that a token outlives a restart of the
 * control plane and removing the file is what redeems it: of two who come with one token, one gets in.
 * A token for several says in its file how many are left.
 */
import { createHash, randomBytes } from 'node:crypto';
import { readdir, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { ServiceAccountRef } from '#identity/spiffe-id.ts';
import { createFile, makePrivateFolder, PRIVATE_FILE_MODE, replaceFile } from './private-file.ts';

/** Whom a token lets in. */
export interface TokenSubject extends ServiceAccountRef {
  /** The one workload that may use it; absent: any of the account. */
  readonly pod?: string;
}

export interface TokenTerms {
  /** Absent: {@link TOKEN_LIFE_MS}. */
  readonly lifeMs?: number;
  /** How often it may be redeemed; absent: once. */
  readonly uses?: number;
}

export interface JoinToken {
  /** The secret itself; only its hash is kept here. */
  readonly token: string;
  readonly expiresAtMs: number;
}

export interface JoinTokens {
  mint(subject: TokenSubject, terms?: TokenTerms): Promise<JoinToken>;
  /** The subject, as often as it may be used; undefined for a token that is unknown, used or expired. */
  redeem(token: string): Promise<TokenSubject | undefined>;
}

export const TOKEN_LIFE_MS: number = 5 * 60_000;
const TOKEN_BYTES = 32;
const PREFIX = 'hjt_';
const TOKEN = /^hjt_[A-Za-z0-9_-]{43}$/;
const SUFFIX = '.json';

interface StoredToken extends TokenSubject {
  readonly expiresAtMs: number;
  /** Left; absent: one. */
  readonly uses?: number;
}

/** @param folder made where missing; one folder serves one mesh. */
export function joinTokens(folder: string, nowMs: () => number): JoinTokens {
  /** One at a time: two must not both read how many uses are left before either has written it. */
  let redeeming: Promise<unknown> = Promise.resolve();
  return {
    async mint(subject, { lifeMs = TOKEN_LIFE_MS, uses = 1 } = {}): Promise<JoinToken> {
      await makePrivateFolder(folder);
      await sweep(folder, nowMs());
      const token = PREFIX + randomBytes(TOKEN_BYTES).toString('base64url');
      const stored: StoredToken = {
        ...subjectOf(subject),
        expiresAtMs: nowMs() + lifeMs,
        ...(uses > 1 && { uses }),
      };
      await createFile(pathOf(folder, token), JSON.stringify(stored), PRIVATE_FILE_MODE);
      return { token, expiresAtMs: stored.expiresAtMs };
    },

    async redeem(token): Promise<TokenSubject | undefined> {
      if (!TOKEN.test(token)) return undefined;
      const mine = redeeming.then(() => redeemFile(pathOf(folder, token), nowMs()));
      redeeming = mine.catch(() => {});
      return mine;
    },
  };
}

async function redeemFile(path: string, now: number): Promise<TokenSubject | undefined> {
  try {
    const stored = JSON.parse(await readFile(path, 'utf8')) as StoredToken;
    const { uses = 1, expiresAtMs } = stored;
    if (uses > 1 && expiresAtMs > now) {
      await replaceFile(path, JSON.stringify({ ...stored, uses: uses - 1 }), PRIVATE_FILE_MODE);
    } else await unlink(path); // rejects for everybody but the first
    return expiresAtMs <= now ? undefined : subjectOf(stored);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function subjectOf({ namespace, serviceAccount, pod }: TokenSubject): TokenSubject {
  return { namespace, serviceAccount, ...(pod !== undefined && { pod }) };
}

function pathOf(folder: string, token: string): string {
  return join(folder, createHash('sha256').update(token).digest('hex') + SUFFIX);
}

/** Removes what nobody redeemed in time. */
async function sweep(folder: string, now: number): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.endsWith(SUFFIX)) continue;
    const path = join(folder, name);
    try {
      const stored = JSON.parse(await readFile(path, 'utf8')) as StoredToken;
      if (stored.expiresAtMs <= now) await unlink(path);
    } catch (error) {
      // Redeemed meanwhile: gone is what we want.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
}
