import { createReadStream } from 'node:fs';
import { Transform } from 'node:stream';
import type { Client } from '../../sdk/client/create-client.ts';
import { isDroverError } from '../../shared/contracts/drover-error.ts';
import type { PackedArtifact } from './pack-directory.ts';

/** Uploads an artifact unless the cluster has it. Resolves with whether anything was sent. */
export async function uploadArtifact(
  client: Client,
  { file, digest, bytes }: PackedArtifact,
  onProgress: (sentBytes: number) => void,
): Promise<boolean> {
  const known = await client.getArtifact({ params: { digest } }).catch((error: unknown) => {
    if (isDroverError(error) && error.code === 'ARTIFACT_NOT_FOUND') return undefined;
    throw error;
  });
  if (known !== undefined) return false;
  const open = () => {
    let sent = 0;
    const meter = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        sent += chunk.length;
        onProgress(sent);
        done(null, chunk);
      },
    });
    const source = createReadStream(file);
    source.once('error', (error) => meter.destroy(error));
    return source.pipe(meter);
  };
  await client.putArtifact({ params: { digest }, body: { bytes, open } });
  return true;
}
