// One instance polls the bank for all of them; when it goes, another takes over. GET / says who leads, DELETE /term hands over.
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'drover';

const { PORT = '3000', HOST = '127.0.0.1', POLL_MS = '500' } = process.env;
const drover = connect();
const election = drover.election('poller');
let polls = 0;
let leader = null;

election.campaign({
  async onElected(term, signal, assertHeld) {
    console.log(`leads in term ${term}`);
    while (!signal.aborted) {
      // Also sees a pause of this process, after which another leads. Say the term along where it matters: it is a fence.
      assertHeld();
      polls += 1;
      await sleep(Number(POLL_MS), undefined, { signal }).catch(() => {});
    }
  },
  onLost: (term, reason) => console.log(`no longer leads in term ${term}: ${reason}`),
});

/** Everybody knows who leads, leader or not. */
async function watch() {
  for await (const now of election.observe()) leader = now;
}
const watching = watch();

const server = createServer(async (request, response) => {
  if (request.method === 'DELETE' && request.url === '/term') await election.resign();
  const { identity, state } = drover;
  const body = {
    identity,
    redis: state,
    leads: election.term !== undefined,
    term: election.term ?? null,
    leader,
    polls,
  };
  response.writeHead(200, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
});

server.listen(Number(PORT), HOST);
process.once('SIGINT', async () => {
  server.close();
  // The next in line leads at once.
  await drover.close();
  await watching;
});
