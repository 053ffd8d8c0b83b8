/** Puts one folder in the place of another, also where somebody else is doing the same at this moment. */
import { renameSync, rmSync } from 'node:fs';

export function swapFolder(made, place) {
  const old = `${made}.old`;
  for (;;) {
    try {
      renameSync(place, old);
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
    }
    try {
      renameSync(made, place);
      break;
    } catch (error) {
      // Another build was quicker; ours is as good, and later.
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
      rmSync(old, { recursive: true, force: true });
    }
  }
  rmSync(old, { recursive: true, force: true });
}
