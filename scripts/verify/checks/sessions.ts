import { randomUUID } from 'node:crypto';
import type { PlatformInstance } from '../platform.ts';
import type { Verification } from '../verification.ts';

export const sessions: Verification = {
  name: 'sessions',
  title: 'A session is known to all instances, and so is its end',
  async run({ platform, ask, claim, evidence }) {
    const instances = await platform.instances('user-service');
    const [a, b] = instances;
    if (a === undefined || b === undefined) throw new Error(`two instances are needed, ${instances.length} run`);
    evidence(`logged in on ${a.name}, out on ${b.name}`);
    const account = { username: `user-${randomUUID().slice(0, 8)}`, password: randomUUID() };
    const registered = await ask(`${platform.url('api-gateway')}/api/users/register`, { json: account });
    claim('a user registers', registered.status === 201, `${registered.status}`);
    const again = await ask(`${b.url}/users/register`, { json: account });
    claim('the name is taken then, on the other instance too', again.status === 409, `${again.status}`);

    const { status, body } = await ask(`${a.url}/users/login`, { json: account });
    claim('the user logs in on one instance', status === 200 && typeof body.token === 'string', `${status}`);
    const headers = { authorization: `Bearer ${String(body.token)}` };
    const seen = await Promise.all(instances.map(({ url }) => ask(`${url}/users/me`, { headers })));
    claim(
      'every instance knows the token',
      seen.every((answer) => answer.status === 200),
      list(seen, instances),
    );
    const through = await ask(`${platform.url('api-gateway')}/api/users/me`, { headers });
    claim('so does the gateway', through.status === 200, `${through.status}`);

    const out = await ask(`${b.url}/users/logout`, { method: 'POST', headers });
    claim('the user logs out on another instance', out.status < 300, `${out.status}`);
    const after = await Promise.all(instances.map(({ url }) => ask(`${url}/users/me`, { headers })));
    claim(
      'every instance refuses the token at once',
      after.every((answer) => answer.status === 401),
      list(after, instances),
    );
    const gateways = await platform.instances('api-gateway');
    const refused = await Promise.all(gateways.map(({ url }) => ask(`${url}/api/users/me`, { headers })));
    claim(
      'so does every gateway',
      refused.length > 0 && refused.every((answer) => answer.status === 401),
      list(refused, gateways),
    );
  },
};

/** What each instance said. */
function list(answers: readonly { readonly status: number }[], instances: readonly PlatformInstance[]): string {
  return answers.map(({ status }, index) => `${instances[index]?.name}: ${status}`).join(', ');
}
