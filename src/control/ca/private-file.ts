/** Files only their owner may read, written so that a crash leaves the old text or the new one, never half. */
import { randomBytes } from 'node:crypto';
import { link, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

export const PRIVATE_FILE_MODE = 0o600;
export const PRIVATE_FOLDER_MODE = 0o700;

/** Makes the folder and those above it where missing, for the owner alone. */
export async function makePrivateFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: PRIVATE_FOLDER_MODE });
}

/** Replaces the file at once; its text is on the disk when this resolves. */
export async function replaceFile(path: string, text: string, mode: number): Promise<void> {
  const draft = await writeDraft(path, text, mode);
  await rename(draft, path);
  await syncFolder(dirname(path));
}

/** Makes the file unless there is one. @returns whether this call made it: of several at once only one does. */
export async function createFile(path: string, text: string, mode: number): Promise<boolean> {
  const draft = await writeDraft(path, text, mode);
  try {
    await link(draft, path); // unlike a rename, fails where the file is there
    await syncFolder(dirname(path));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  } finally {
    await rm(draft, { force: true });
  }
}

async function writeDraft(path: string, text: string, mode: number): Promise<string> {
  const draft = `${path}.${randomBytes(6).toString('hex')}.draft`;
  const file = await open(draft, 'wx', mode);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  return draft;
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
