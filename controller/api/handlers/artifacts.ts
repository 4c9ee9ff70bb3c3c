import { DroverError } from '../../../shared/contracts/drover-error.ts';
import type { Handlers } from '../handler.ts';
import type { HandlerDeps } from './handler-deps.ts';

type ArtifactHandlers = Pick<Handlers, 'getArtifact' | 'putArtifact' | 'getArtifactContent'>;

export function createArtifactHandlers({ store, maxArtifactBytes }: HandlerDeps): ArtifactHandlers {
  const find = async (digest: string) => {
    const artifact = await store.artifacts.get(digest);
    if (artifact === null)
      throw new DroverError(
        'ARTIFACT_NOT_FOUND',
        `No artifact has the digest ${digest}; it was never uploaded, or pruned`,
      );
    return artifact;
  };
  return {
    getArtifact: ({ params }) => find(params.digest),
    async putArtifact({ params, request }) {
      const known = await store.artifacts.get(params.digest);
      if (known !== null) {
        request.raw.resume();
        return known;
      }
      return store.artifacts.put(params.digest, request.raw, maxArtifactBytes);
    },
    async getArtifactContent({ params, reply }) {
      const { bytes, createdAt } = await find(params.digest);
      reply.header('content-length', bytes);
      reply.header('last-modified', new Date(createdAt).toUTCString());
      return store.artifacts.read(params.digest);
    },
  };
}
