import { createHash, randomBytes } from 'node:crypto';
import { openAccount } from '../open-account.ts';
import type { Verification } from '../verification.ts';

/** The smallest that the service takes. */
const partBytes = 5 * 1024 * 1024;
const parts = 4;

export const uploads: Verification = {
  name: 'uploads',
  title: 'An upload whose parts land on different instances is whole',
  async run({ platform, ask, claim, evidence }) {
    const instances = await platform.instances('app-service');
    if (instances.length < 2) throw new Error(`two instances are needed, ${instances.length} run`);
    const { headers } = await openAccount('uploader', { platform, ask });
    // The last part is shorter than the others.
    const content = randomBytes(partBytes * parts - 1_000);
    const sha256 = createHash('sha256').update(content).digest('hex');
    const opened = await ask(`${platform.url('api-gateway')}/api/uploads`, {
      json: { name: 'game.apk', sizeBytes: content.length, sha256, partBytes },
      headers,
    });
    claim(
      'an upload is opened through the gateway',
      opened.status === 201,
      `${opened.status} ${opened.text.slice(0, 100)}`,
    );
    const id = String(opened.body.id);
    const sent = await Promise.all(
      Array.from({ length: parts }, async (_, index) => {
        const { url, name } = instances[index % instances.length]!;
        evidence(`part ${index + 1} to ${name}`);
        const bytes = content.subarray(index * partBytes, (index + 1) * partBytes);
        return await ask(`${url}/uploads/${id}/parts/${index + 1}`, { bytes, headers });
      }),
    );
    claim(
      'every part is taken',
      sent.every(({ status }) => status < 300),
      sent.map(({ status }) => status).join(', '),
    );
    const completed = await Promise.all(
      instances.map(({ url }) => ask(`${url}/uploads/${id}/complete`, { method: 'POST', headers })),
    );
    const apps = new Set(completed.map(({ body }) => body.id));
    claim(
      'all instances complete it to one app',
      completed.every(({ status }) => status < 300) && apps.size === 1,
      completed.map(({ status, text }) => `${status} ${text.slice(0, 80)}`).join(', '),
    );
    const digests = await Promise.all(
      [platform.url('app-service'), ...instances.map(({ url }) => url)].map(async (url) => {
        const response = await fetch(`${url}/apps/${[...apps].join()}/content`);
        return createHash('sha256')
          .update(Buffer.from(await response.arrayBuffer()))
          .digest('hex');
      }),
    );
    claim(
      'every instance gives back the same bytes',
      digests.every((digest) => digest === sha256),
      `sha256 ${sha256.slice(0, 12)}…, ${digests.length} read`,
    );
  },
};
