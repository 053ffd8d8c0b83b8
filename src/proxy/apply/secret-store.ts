/** The secrets of a process by SDS name; whoever serves TLS listens for changes. */
import { EventEmitter } from 'node:events';
import { isDeepStrictEqual } from 'node:util';
import type { SecretMaterial, SecretStore } from '../contract.ts';

class MemorySecretStore extends EventEmitter<{ change: [name: string] }> implements SecretStore {
  readonly #materials = new Map<string, SecretMaterial>();

  get(name: string): SecretMaterial | undefined {
    return this.#materials.get(name);
  }

  set(name: string, material: SecretMaterial): void {
    // What is sent again and is the same changes nothing: sessions stay good.
    if (isDeepStrictEqual(this.#materials.get(name), material)) return;
    this.#materials.set(name, material);
    this.emit('change', name);
  }

  delete(name: string): void {
    this.#materials.delete(name);
  }

  names(): readonly string[] {
    return [...this.#materials.keys()];
  }
}

export function createSecretStore(): SecretStore {
  const store = new MemorySecretStore();
  // One listener for each TLS context: a mesh has hundreds.
  store.setMaxListeners(0);
  return store;
}
