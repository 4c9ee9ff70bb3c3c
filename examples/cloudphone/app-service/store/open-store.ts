import type { Store } from './store.ts';

/**
 * The store that STORE names: `dir:/path`, a directory that all instances have mounted under this path, or
 * `s3://bucket/prefix?endpoint=https://…&region=…`.
 * @throws Error when it is of another kind
 */
export async function openStore(place: string | undefined): Promise<Store> {
  if (place?.startsWith('dir:/')) {
    const { createDirectoryStore } = await import('./directory-store.ts');
    return createDirectoryStore(place.slice('dir:'.length));
  }
  if (place?.startsWith('s3://')) {
    // The SDK of AWS is large: whoever has a directory does without it.
    const { createS3Store } = await import('./s3-store.ts');
    return createS3Store(new URL(place));
  }
  throw new Error('STORE is dir:/path, which all instances have mounted, or s3://bucket?endpoint=https://…');
}
