import type { Hash } from 'node:crypto';
import type { Store, StoredPart } from './store.ts';

/** The bytes of a part, which `hash` sees on their way. */
export async function* readHashed(store: Pick<Store, 'read'>, { key }: StoredPart, hash: Hash): AsyncGenerator<Buffer> {
  for await (const chunk of await store.read(key)) {
    hash.update(chunk as Buffer);
    yield chunk as Buffer;
  }
}
