import type { Ask } from '../ask.ts';
import { type Account, openAccount, signatureOf } from '../open-account.ts';
import type { Platform } from '../platform.ts';
import type { Verification } from '../verification.ts';

const amount = 100;
/** What the payment provider adds to the commands, where the platform wants it. */
const signature = ` \\
  -H "X-Payment-Signature: sha256=$(node -p 'crypto.createHmac("sha256", process.env.PAYMENT_SECRET)
    .update(process.argv[1]).digest("hex")' "orderId=$ORDER_ID&status=paid")"`;

export const payment: Verification = {
  name: 'payment',
  title: 'A payment counts once, however often its callback comes',
  async run({ platform, scale, ask, shell, claim, evidence }) {
    const user = await openAccount('test', { platform, ask });
    const signed = platform.paymentSecret === undefined ? '' : signature;
    const before = await balanceOf(ask, platform, user);
    const printed = await shell(
      `ORDER_ID=$(curl -X POST http://localhost:30000/api/billing/orders \\
  -H "Content-Type: application/json" \\
  -d '{"userId":"test","planId":"basic","amount":100}' \\
  | jq -r '.id')

curl -X POST http://localhost:30005/webhooks/payment \\
  -d "orderId=$ORDER_ID&status=paid"${signed}

curl -X POST http://localhost:30005/webhooks/payment \\
  -d "orderId=$ORDER_ID&status=paid"${signed}

curl http://localhost:30005/orders/$ORDER_ID | jq '.status'`,
      user,
    );
    evidence(printed);
    claim('the order is paid', printed.endsWith('"PAID"'), /"\w+"$/.exec(printed)?.[0] ?? 'it has no status');
    const afterTwo = await balanceOf(ask, platform, user);
    claim('two callbacks credit once', afterTwo - before === amount, `credited ${afterTwo - before} of ${amount}`);

    const order = (
      await ask(`${platform.url('api-gateway')}/api/billing/orders`, {
        json: { userId: user.userId, planId: 'basic', amount },
        headers: user.headers,
      })
    ).body;
    const form = { orderId: String(order.id), status: 'paid' };
    const headers = signatureOf(form, platform);
    const instances = await platform.instances('billing-service');
    // Some through the router, some straight to each instance: all of them have to agree.
    const targets = [platform.url('billing-service'), ...instances.map(({ url }) => url)];
    evidence(`callbacks go through the router, and to ${instances.map(({ name }) => name).join(', ')}`);
    const answers = await Promise.all(
      Array.from({ length: scale.callbacks }, (_, index) =>
        ask(`${targets[index % targets.length]}/webhooks/payment`, { form, headers }),
      ),
    );
    const refused = answers.filter(({ status }) => status !== 200);
    const different = new Set(answers.map(({ text }) => text)).size;
    const asked = `${answers.length} sent to ${targets.length} addresses`;
    claim(
      `${scale.callbacks} callbacks at once are all answered alike`,
      instances.length > 1 && refused.length === 0 && different === 1,
      `${asked}, ${refused.length} refused${refused[0] ? ` (${refused[0].status} ${refused[0].text.slice(0, 100)})` : ''}, ${different} different answers`,
    );
    const after = await balanceOf(ask, platform, user);
    claim(
      `${scale.callbacks} callbacks at once credit once`,
      after - afterTwo === amount,
      `credited ${after - afterTwo} of ${amount}`,
    );
  },
};

export async function balanceOf(ask: Ask, platform: Platform, { userId, headers }: Account): Promise<number> {
  const balance = `${platform.url('billing-service')}/users/${userId}/balance`;
  const { status, body, text } = await ask(balance, { headers });
  if (status !== 200) throw new Error(`the balance of ${userId}: ${status} ${text}`);
  return Number(body.balance);
}
