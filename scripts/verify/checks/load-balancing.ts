import { untilNone } from '../until-none.ts';
import type { Verification } from '../verification.ts';

/** Ten by hand as in the list; among so many more at once none is missed by chance. */
const moreRequests = 60;
/**
 * A client that shares a busy machine has only one of them under way at a time, and each goes to the one instance that has no
 * WebSocket. While instances come and go another has none a moment later.
 */
const disturbedPatienceMs = 30_000;

export const loadBalancing: Verification = {
  name: 'load-balancing',
  title: 'Requests are spread over all instances of api-gateway',
  async run({ platform, ask, shell, claim, evidence }) {
    const printed = await shell(`for i in {1..10}; do
  curl -s http://localhost:30000/health | jq -r '.instance'
done`);
    const byHand = printed.split('\n');
    // Each goes to whoever has the fewest connections. While clients at work have WebSockets, that may be one all the time.
    if (!platform.isDisturbed) claim('different instances answer', new Set(byHand).size > 1, byHand.join(', '));
    // Of those that come and go two at least are there all the time.
    const running = await platform.instances('api-gateway');
    const answers = new Map<string, number>();
    let requests = 0;
    const isSpread = () => running.length > 1 && answers.size >= running.length;
    const askAll = async () => {
      const asked = await Promise.all(
        Array.from({ length: moreRequests }, () => ask(`${platform.url('api-gateway')}/health`)),
      );
      requests += asked.length;
      for (const { body } of asked) {
        const who = `${String(body.instance)} on ${String(body.host)}`;
        answers.set(who, (answers.get(who) ?? 0) + 1);
      }
      return isSpread() ? [] : ['some do not answer'];
    };
    await untilNone(askAll, platform.isDisturbed ? disturbedPatienceMs : 0);
    for (const [who, count] of answers) evidence(`${who}: ${count} of ${requests}`);
    claim(
      platform.isDisturbed ? 'more than one instance answers' : 'every instance answers',
      isSpread(),
      `${answers.size} instances in ${requests} requests${platform.isDisturbed ? '' : `, ${running.length} run`}`,
    );
  },
};
