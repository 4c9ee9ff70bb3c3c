import { DroverError } from '../../contracts/drover-error.ts';
import type { JoinToken } from '../../contracts/entities.ts';
import { transact } from './commit.ts';
import { readDocument } from './read-document.ts';
import { readJoinToken } from './read-join-token.ts';
import type { JoinTokenStore } from './store.ts';
import type { StoreContext } from './store-context.ts';

/** Join tokens. Their secrets are stored as SHA-256 only, apart from the documents that are shown. */
export function createJoinTokenStore(context: StoreContext): JoinTokenStore {
  const { keys } = context;
  return {
    async create(token, secretHash, actor) {
      await transact(context, 'create a join token', async () => ({
        step: {
          expect: [],
          write: [
            ['HSET', keys.joinTokens, token.id, JSON.stringify(token)],
            ['HSET', keys.joinTokenSecrets, token.id, secretHash],
          ],
          events: [{ type: 'token.created', actor, reason: '', data: { tokenId: token.id } }],
        },
        result: undefined,
      }));
    },
    async check(id, secretHash) {
      (await readJoinToken(context, id, secretHash)).usable();
    },
    async list() {
      const texts = await context.ask('list join tokens', (redis) => redis.hvals(keys.joinTokens));
      return texts
        .map((text) => JSON.parse(text) as JoinToken)
        .sort((a, b) => a.createdAt - b.createdAt || a.id.localeCompare(b.id));
    },
    async revoke(id, actor) {
      await transact(context, 'revoke a join token', async () => {
        const { value: token, expectation } = await readDocument<JoinToken>(context, keys.joinTokens, id);
        if (token === null) {
          throw new DroverError('TOKEN_NOT_FOUND', `No join token has the id ${id}. List them with: drover token ls`);
        }
        if (token.revoked) return { result: undefined };
        return {
          step: {
            expect: [expectation],
            write: [
              ['HSET', keys.joinTokens, id, JSON.stringify({ ...token, revoked: true })],
              ['HDEL', keys.joinTokenSecrets, id],
            ],
            events: [{ type: 'token.revoked', actor, reason: '', data: { tokenId: id } }],
          },
          result: undefined,
        };
      });
    },
  };
}
